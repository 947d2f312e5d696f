"""What a dead letter looks like: key, value and headers of the record, unchanged, and six headers after its own.

========================  ===========================================================================================
``vw_topic``              where the record lay
``vw_partition``          its partition there, and the partition of the letter among the dead letters
``vw_offset``             its offset there
``vw_timestamp``          its timestamp, milliseconds
``vw_reason``             one of few words: ``undecodable``, ``failed``, ``id-reused``, ``skipped``, ``ahead``
``vw_detail``             why, for people: a line, and where a handler raised its traceback, cut
========================  ===========================================================================================

A letter that was handed back to its group (`verbwire dead-letters retry`) is followed, in the same partition, by a
*mark*: a record of the same key without a value, whose one header ``vw_retried`` is the letter's offset.

What is handed to a group's retries topic has the same form as the letter, so that a record keeps the place, and with
it the id and the time, that it had at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from verbwire.errors import UndecodableError
from verbwire.kafka.place import RecordPlace

PLACE = ("vw_topic", "vw_partition", "vw_offset", "vw_timestamp", "vw_reason", "vw_detail")
RETRIED = "vw_retried"
DETAIL_LIMIT = 2000


class Consumed(RecordPlace, Protocol):
    """A consumed record of any client, with the fields that its dead letter keeps."""

    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Original:
    """A record as it lay in its own topic before it became a letter."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    is_stamped: bool = True  # whether its timestamp is the broker's


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, read."""

    original: Original
    reason: str
    detail: str

    @property
    def is_stub(self) -> bool:
        """Whether it only names the place of its record."""
        return not (self.original.key or self.original.value or self.original.headers)


def letter_headers(record: Consumed, reason: str, detail: str) -> list[tuple[str, bytes]]:
    """Return the headers of a record's letter. `reason` is one of few words; `detail` is for people."""
    place = (
        record.topic.encode(),
        b"%d" % record.partition,
        b"%d" % record.offset,
        b"%d" % record.timestamp,
        reason.encode(),
        detail[:DETAIL_LIMIT].encode(errors="replace"),
    )
    return [*record.headers, *zip(PLACE, place, strict=True)]


def stub_headers(record: Consumed, reason: str, detail: str) -> list[tuple[str, bytes]]:
    """Return the headers of a dead letter that only names the place of its record, which is too large to keep."""
    said = f"the record is too large for the dead letters, look for it at its place: {detail}"
    return letter_headers(record, reason, said)[-len(PLACE) :]


def read_letter(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Letter | None:
    """Return the dead letter in a record; None for one without (a mark, or a foreign record).

    Only the last six headers count: those before them are the original's, whatever they are called.
    """
    names, values = zip(*headers[-len(PLACE) :], strict=True) if headers else ((), ())
    if names != PLACE:
        return None
    try:
        topic, partition, offset, timestamp, reason, detail = (each.decode(errors="replace") for each in values)
        place = (topic, int(partition), int(offset), int(timestamp))
    except (AttributeError, ValueError) as error:
        raise UndecodableError(f"not a dead letter: its place cannot be read: {error}") from error
    return Letter(Original(*place, key, value, list(headers[: -len(PLACE)])), reason, detail)


def mark_headers(offset: int) -> list[tuple[str, bytes]]:
    """Return the headers of a requeue marker: the dead letter at this offset of this partition was requeued."""
    return [(RETRIED, b"%d" % offset)]


def marked(headers: Sequence[tuple[str, bytes]]) -> int | None:
    """Return the offset of the letter that a mark is about, None for a record that is no mark."""
    if [name for name, _ in headers] != [RETRIED] or not headers[0][1].isdigit():
        return None
    return int(headers[0][1])


def with_traceback(detail: str, traceback: str) -> str:
    """Return the detail of a letter with as much of a traceback as fits behind it: its end, where it was raised."""
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
