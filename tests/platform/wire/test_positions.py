"""Positions as text, and what a client remembers of them."""

from __future__ import annotations

import pytest

from verbwire.client.base.positions import SeenPositions
from verbwire.errors import UndecodableError
from verbwire.wire.positions import decode_positions, encode_positions
from verbwire.wire.records.outcomes import EventPosition

POSITIONS = {("b.events", 10): 1, ("a.events", 2): 7, ("a.events", 0): 2**40}
TEXT = "a.events=0:1099511627776,2:7;b.events=10:1"


def test_positions_as_text_and_back() -> None:
    assert encode_positions(POSITIONS) == TEXT
    assert decode_positions(TEXT) == POSITIONS
    assert encode_positions({}) == ""
    assert decode_positions("") == {}


def test_a_proxy_may_have_added_spaces_and_the_higher_offset_counts() -> None:
    assert decode_positions(" a=0:1, 0:5 ,0:3 ; ") == {("a", 0): 5}


@pytest.mark.parametrize(
    "text", ["a", "a=", "=0:1", "a=0", "a=0:", "a=0:-1", "a=0:1,", "a b=0:1", "a=0:\u0663", "a=0:1" + ",0:1" * 5000]
)
def test_a_position_that_is_not_well_formed_is_refused(text: str) -> None:
    with pytest.raises(UndecodableError, match="Verbwire-Position"):
        decode_positions(text)


def test_a_client_remembers_the_highest_next_offset() -> None:
    seen = SeenPositions()
    assert seen.header() == ""
    seen.remember(EventPosition(topic="a.events", partition=1, offset=offset) for offset in (4, 9, 2))
    seen.remember([EventPosition(topic="a.events", partition=0, offset=0)])
    assert seen.known() == {("a.events", 0): 1, ("a.events", 1): 10}
    assert seen.header() == "a.events=0:1,1:10"
