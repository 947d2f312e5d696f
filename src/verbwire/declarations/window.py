"""Windows of event time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from verbwire.errors import ContractError


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
        if self.size < timedelta(milliseconds=1) or self.lateness < timedelta(0):
            raise ContractError("a window has a size of a millisecond or more, and a lateness of zero or more")
        if self.retention < self.lateness:
            raise ContractError("a window's retention is at least its lateness: its row may still change until then")
