"""What a client writes beside a message is no longer than its readers take, and is refused before it is sent."""

from __future__ import annotations

import pytest

from verbwire.client.base.connection import Identity
from verbwire.client.producing.ids import Ids, require_flow
from verbwire.errors import ConfigurationError, UnencodableError
from verbwire.wire.headers import MAX_ACTOR, MAX_DERIVED_ID, MAX_ID, MAX_SCOPES


@pytest.mark.parametrize("id", ["x" * MAX_ID, "!", "~"])
def test_an_id_may_be_any_printable_text_of_200_characters(id: str) -> None:
    assert Ids().of(id) == id


@pytest.mark.parametrize("id", ["", "x" * (MAX_ID + 1), "two words", "größe", "a\n"])
def test_any_other_id_is_refused(id: str) -> None:
    with pytest.raises(UnencodableError, match="use 1 to 200 printable ASCII characters without spaces"):
        Ids().of(id)


def test_the_id_of_an_event_that_led_to_a_message_may_go_with_it_and_no_longer_one() -> None:
    longest = "x" * MAX_DERIVED_ID
    require_flow(longest, longest)
    for flow in ((longest + "x", None), (None, longest + "x")):
        with pytest.raises(UnencodableError, match="of another message: 208 characters are the most"):
            require_flow(*flow)


def test_who_sends_is_told_in_as_many_letters_as_are_read() -> None:
    identity = Identity("a" * MAX_ACTOR, ("s" * MAX_SCOPES,))
    for too_long in (("a" * (MAX_ACTOR + 1), ()), (None, ("s" * MAX_SCOPES, "s"))):
        with pytest.raises(ConfigurationError, match=r"actor \(VERBWIRE_ACTOR\) may have 255 characters"):
            Identity(*too_long)
    assert (identity.actor, len(identity.scopes[0])) == ("a" * 255, 16_384)
