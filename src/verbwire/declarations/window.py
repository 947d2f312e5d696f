"""Windows of event time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from verbwire.errors import ContractError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
Ahead = Literal["dead-letter", "late"]
"""What becomes of an event whose time is too far ahead of the broker's."""


@dataclass(frozen=True, slots=True)
class Window:
    """Tumbling windows: of one `size`, aligned to the epoch, each event in exactly one, by its contract's `time`.

    Time moves on with the newest event of a partition. A window takes events until it has passed its end by
    `lateness`; what comes later is late: counted, and left out. Rows are deleted `retention` after the window's end.

    An event's time may be `ahead` of the timestamp that the broker gave to its record, at most: one of the year 9999
    would close all windows for those of today. Beyond that it moves no time and counts in no window; it is
    `when_ahead`: a ``"dead-letter"``, or counted and left out as ``"late"``. Source: Kafka's KIP-937, and its default.
    """

    size: timedelta
    lateness: timedelta = timedelta(0)
    retention: timedelta = timedelta(days=7)
    ahead: timedelta = timedelta(hours=1)
    when_ahead: Ahead = "dead-letter"

    def __post_init__(self) -> None:
        if self.size < _MILLISECOND or self.size % _MILLISECOND:
            raise ContractError("a window's size is whole milliseconds, one or more")
        if self.lateness < timedelta(0):
            raise ContractError("a window's lateness is zero or more")
        if self.retention < self.lateness:
            raise ContractError("a window's retention is at least its lateness: its row may still change until then")
        if self.ahead < timedelta(0):
            raise ContractError("how far an event's time may be ahead of the broker's is zero or more")
        if self.when_ahead not in get_args(Ahead):
            raise ContractError(f"when_ahead is {self.when_ahead!r}: write {' or '.join(map(repr, get_args(Ahead)))}")

    def start_of(self, moment: datetime) -> datetime:
        """Return when the window begins that a moment belongs to; OverflowError before the year 1."""
        return moment - (moment - _EPOCH) % self.size
