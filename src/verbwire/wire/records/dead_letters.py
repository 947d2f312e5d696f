"""The format of a dead letter: key, value and headers of the record, unchanged, and six headers after its own.

========================  ===========================================================================================
``vw_topic``              where the record lay
``vw_partition``          its partition there, and the partition of the dead letter in its topic
``vw_offset``             its offset there
``vw_timestamp``          its timestamp, milliseconds
``vw_reason``             one of few words: ``undecodable``, ``failed``, ``id-reused``, ``skipped``, ``ahead``
``vw_detail``             why, for people: a line, and where a handler raised its traceback, cut
========================  ===========================================================================================

A dead letter that was requeued (`verbwire dead-letters retry`) is followed, in the same partition, by a *marker*: a
record of the same key without a value, whose one header ``vw_retried`` is the dead letter's offset.

One that an operator has discarded is followed by a marker whose headers are ``vw_discarded``, the offset, ``vw_actor``
and ``vw_why``; its timestamp says when.

Records of a group's retries topic have the same format, so that a requeued record keeps the place, and with it the id
and the time, that it had at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verbwire.errors import UndecodableError
from verbwire.kafka.record import ConsumedRecord, Record
from verbwire.wire.topics import LARGEST_RECORD

PLACE_HEADERS = ("vw_topic", "vw_partition", "vw_offset", "vw_timestamp", "vw_reason", "vw_detail")
REQUEUED_HEADER = "vw_retried"
DISCARDED_HEADERS = ("vw_discarded", "vw_actor", "vw_why")
WHY_LIMIT = 500
DETAIL_LIMIT = 2000
MAX_DEAD_LETTER = LARGEST_RECORD


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A dead letter, decoded."""

    original: ConsumedRecord
    reason: str
    detail: str

    @property
    def is_stub(self) -> bool:
        """Whether it only names the place of its record."""
        return not (self.original.key or self.original.value or self.original.headers)


def dead_letter_headers(record: Record, reason: str, detail: str) -> list[tuple[str, bytes]]:
    """Return the headers of a record's dead letter. `reason` is one of few words; `detail` is for people."""
    place = (
        record.topic.encode(),
        b"%d" % record.partition,
        b"%d" % record.offset,
        b"%d" % record.timestamp,
        reason.encode(),
        detail[:DETAIL_LIMIT].encode(errors="replace"),
    )
    return [*record.headers, *zip(PLACE_HEADERS, place, strict=True)]


def stub_headers(record: Record, reason: str, detail: str) -> list[tuple[str, bytes]]:
    """Return the headers of a dead letter that only names the place of a record that is too large for it."""
    said = f"the record is too large for the dead letters, look for it at its place: {detail}"
    return dead_letter_headers(record, reason, said)[-len(PLACE_HEADERS) :]


def read_dead_letter(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> DeadLetterRecord | None:
    """Return the dead letter that a record is, None for one that is none (a marker, or written by another program).

    Only the last six headers count: those before them are the original's, whatever they are called.
    """
    names, values = zip(*headers[-len(PLACE_HEADERS) :], strict=True) if headers else ((), ())
    if names != PLACE_HEADERS:
        return None
    try:
        topic, partition, offset, timestamp, reason, detail = (each.decode(errors="replace") for each in values)
        place = (topic, int(partition), int(offset), int(timestamp))
    except (AttributeError, ValueError) as error:
        raise UndecodableError(f"not a dead letter: its place cannot be read: {error}") from error
    return DeadLetterRecord(ConsumedRecord(*place, key, value, list(headers[: -len(PLACE_HEADERS)])), reason, detail)


def requeue_marker(offset: int) -> list[tuple[str, bytes]]:
    """Return the headers of the marker that the dead letter at this offset, of this partition, was requeued."""
    return [(REQUEUED_HEADER, b"%d" % offset)]


def requeued_offset(headers: Sequence[tuple[str, bytes]]) -> int | None:
    """Return the offset of the dead letter that a marker names, None for a record that is no marker."""
    if [name for name, _ in headers] != [REQUEUED_HEADER] or not headers[0][1].isdigit():
        return None
    return int(headers[0][1])


@dataclass(frozen=True, slots=True)
class Discarded:
    """That the dead letter at an offset was discarded: by whom, why, and when, in milliseconds."""

    offset: int
    actor: str
    why: str
    since: int


def discard_marker(offset: int, actor: str, why: str) -> list[tuple[str, bytes]]:
    """Return the headers of the marker that the dead letter at this offset, of this partition, was discarded."""
    values = (b"%d" % offset, actor.encode(errors="replace"), why[:WHY_LIMIT].encode(errors="replace"))
    return [*zip(DISCARDED_HEADERS, values, strict=True)]


def read_discarded(headers: Sequence[tuple[str, bytes]], timestamp: int) -> Discarded | None:
    """Return what such a marker says, None for a record that is none; `timestamp` is the record's."""
    if tuple(name for name, _ in headers) != DISCARDED_HEADERS:
        return None
    offset, actor, why = (value or b"" for _, value in headers)
    if not offset.isdigit():
        return None
    return Discarded(int(offset), actor.decode(errors="replace"), why.decode(errors="replace"), timestamp)


def with_traceback(detail: str, traceback: str) -> str:
    """Return the detail of a dead letter and the end of the traceback, where it was raised, as far as it fits."""
    if not traceback:
        return detail
    room = DETAIL_LIMIT - len(detail) - 1
    if len(traceback) <= room:
        return f"{detail}\n{traceback}"
    lines: list[str] = []
    for line in reversed(traceback.split("\n")):
        room -= len(line) + 1
        if room < len("..."):
            break
        lines.append(line)
    return "\n".join((detail, "...", *reversed(lines))) if lines else detail


def legible(text: str) -> str:
    """Return text that has bytes: an exception may quote a file's name, or input, that is no Unicode."""
    return text.encode(errors="replace").decode()
