"""Windows of event time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from verbwire.errors import ContractError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Tumbling windows: of one `size`, aligned to the epoch, each event in exactly one, by its contract's `time`.

    Time moves on with the newest event of a partition. A window takes events until it has passed its end by
    `lateness`; what comes later is late: counted, and left out. Rows are deleted `retention` after the window's end.
    """

    size: timedelta
    lateness: timedelta = timedelta(0)
    retention: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        if self.size < _MILLISECOND or self.size % _MILLISECOND:
            raise ContractError("a window's size is whole milliseconds, one or more")
        if self.lateness < timedelta(0):
            raise ContractError("a window's lateness is zero or more")
        if self.retention < self.lateness:
            raise ContractError("a window's retention is at least its lateness: its row may still change until then")

    def start_of(self, moment: datetime) -> datetime:
        """Return when the window begins that a moment belongs to; OverflowError before the year 1."""
        return moment - (moment - _EPOCH) % self.size
