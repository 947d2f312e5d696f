"""The form of dead letters, and ids that derive from their cause."""

from __future__ import annotations

from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.ids import derived_id
from verbwire.wire.records.dead_letters import (
    DETAIL_LIMIT,
    dead_letter_headers,
    read_dead_letter,
    requeue_marker,
    requeued_offset,
)

RECORD = ConsumedRecord(
    "shop.orders.events", 3, 41, 1_700_000_000_000, b"k", b"v", [("ce_id", b"a"), ("vw_topic", b"lie")]
)


def test_a_letter_gives_back_the_record_that_it_was() -> None:
    headers = dead_letter_headers(RECORD, "failed", "ü" * 3000)
    letter = read_dead_letter(b"k", b"v", headers)
    assert letter is not None
    assert letter.original == RECORD
    assert (letter.reason, letter.detail) == ("failed", "ü" * DETAIL_LIMIT)


def test_a_mark_is_no_letter_and_a_letter_no_mark() -> None:
    assert read_dead_letter(b"k", None, requeue_marker(7)) is None
    assert requeued_offset(requeue_marker(7)) == 7
    posing = ConsumedRecord("t", 0, 1, 2, b"k", None, requeue_marker(7))
    assert requeued_offset(dead_letter_headers(posing, "failed", "")) is None
    assert requeued_offset([]) is None
    assert read_dead_letter(None, None, []) is None


def test_an_id_is_that_of_its_cause_handler_and_position() -> None:
    ids = {
        derived_id(*each)
        for each in (("g", "c", "h", 0), ("g", "c", "h", 1), ("g", "c", "i", 0), ("g", "d", "h", 0), ("f", "c", "h", 0))
    }
    assert len(ids) == 5
    assert derived_id("g", "c", "h", 0) in ids
