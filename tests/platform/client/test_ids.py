"""Ids of messages: any that their readers take, and none that they would not."""

from __future__ import annotations

import pytest

from verbwire.client.producing.ids import Ids
from verbwire.errors import UnencodableError
from verbwire.wire.headers import MAX_ID


@pytest.mark.parametrize("id", ["x" * MAX_ID, "!", "~"])
def test_an_id_may_be_any_printable_text_of_200_characters(id: str) -> None:
    assert Ids().of(id) == id


@pytest.mark.parametrize("id", ["", "x" * (MAX_ID + 1), "two words", "größe", "a\n"])
def test_an_id_of_other_text_is_refused(id: str) -> None:
    with pytest.raises(UnencodableError, match="use 1 to 200 printable ASCII characters without spaces"):
        Ids().of(id)
