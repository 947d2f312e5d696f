"""Which dead letters are meant: by what they are like, and as they were when they were shown. And the markers."""

from __future__ import annotations

import pytest

from verbwire.dead_letters.letter import DeadLetter, DeadLetterPlace
from verbwire.dead_letters.requeue import Requeueing
from verbwire.dead_letters.selection import ANY, AsOf, Choice, LetterFilter
from verbwire.errors import ConfigurationError
from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.records.dead_letters import (
    DeadLetterRecord,
    discard_marker,
    read_dead_letter,
    read_discarded,
    requeue_marker,
    requeued_offset,
)

HEADERS = [("ce_type", b"office.parcels.ParcelArrived"), ("ce_id", b"e1")]
ORIGINAL = ConsumedRecord("office.parcels.events", 1, 7, 1000, b"box", b"value", HEADERS)
LETTER = DeadLetter("office.broken", DeadLetterPlace(1, 5), 2000, DeadLetterRecord(ORIGINAL, "failed", "KeyError: 'x'"))


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        (ANY, True),
        (LetterFilter(type="office.parcels.ParcelArrived", reason="failed", key="box", text="KeyError"), True),
        (LetterFilter(type="ParcelArrived"), True),
        (LetterFilter(type="Arrived"), False),
        (LetterFilter(reason="undecodable"), False),
        (LetterFilter(key="bo"), False),
        (LetterFilter(text="ValueError"), False),
        (LetterFilter(since=2000), True),
        (LetterFilter(since=2001), False),
        (LetterFilter(until=2000), False),
        (LetterFilter(until=2001), True),
    ],
)
def test_a_dead_letter_is_chosen_by_what_it_is_like(where: LetterFilter, fits: bool) -> None:
    assert Choice(None, where).has(LETTER) is fits
    assert Choice([LETTER.place], where).has(LETTER) is fits
    assert not Choice([DeadLetterPlace(1, 6)], where).has(LETTER)


def test_a_dead_letter_that_came_later_than_what_was_shown_is_not_chosen() -> None:
    shown = AsOf({1: 6, 0: 2})
    assert AsOf.of(str(shown)) == shown
    assert str(shown) == "0/2,1/6"
    assert AsOf.of(str(AsOf({}))) == AsOf({})
    assert Choice(as_of=shown).has(LETTER)
    assert not Choice(as_of=AsOf({1: 5, 0: 2})).has(LETTER)
    assert not Choice(as_of=AsOf({0: 100})).has(LETTER)  # of a partition that had none
    for text in ("", "1", "1/x", "0/2;1/6"):
        with pytest.raises(ConfigurationError, match="no state of dead letters"):
            AsOf.of(text)


def test_a_marker_of_a_discarded_dead_letter_says_who_and_why_and_is_no_other() -> None:
    headers = discard_marker(5, "olga \udce4", "sent by hand" * 100)
    found = read_discarded(headers, 3000)
    assert found is not None
    assert (found.offset, found.actor, found.since, len(found.why)) == (5, "olga ?", 3000, 500)
    assert requeued_offset(headers) is None
    assert read_dead_letter(b"key", None, headers) is None
    assert read_discarded(requeue_marker(5), 3000) is None
    assert read_discarded([("vw_discarded", b"x"), ("vw_actor", b""), ("vw_why", b"")], 3000) is None


def test_a_message_that_was_requeued_and_came_back_three_times_is_refused_unless_one_insists() -> None:
    assert Requeueing().refuses(2) is None
    assert "--insist" in (Requeueing().refuses(3) or "")
    assert Requeueing(insist=True).refuses(99) is None
