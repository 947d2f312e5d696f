"""Deadlines of process instances: a name and a moment, at which the process decides again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from verbwire.errors import ContractError
from verbwire.names import require_tag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Deadline(msgspec.Struct, frozen=True):
    """Sets a deadline of a process instance, or clears it: returned by a handler, behind the state.

    ``return state, Deadline("payment", after=timedelta(minutes=15))``. At that moment, by the broker's clock, the
    function that ``@process.due("payment")`` names decides with the state as it is then. `after` counts from when the
    step was taken, `at` names the moment, with a time zone. A new one of the same name takes the place of the old one;
    ``Deadline.clear("payment")`` clears it, and so does the instance's end. One in the past is due at once.

    Guarantee: each is decided once, never before its moment, in the transaction that changes the state; not within any
    time after it: a worker may be down. :class:`~verbwire.errors.ContractError` without a moment, or with two.
    """

    name: str
    at: datetime | None = None
    after: timedelta | None = None
    cleared: bool = False

    def __post_init__(self) -> None:
        require_tag(self.name)
        if (self.at is not None) + (self.after is not None) + self.cleared != 1:
            raise ContractError(f"Deadline({self.name!r}): say either after=timedelta(...) or at=datetime(...)")
        if self.at is not None and self.at.tzinfo is None:
            raise ContractError(
                f"Deadline({self.name!r}): at={self.at!r} has no time zone: write datetime(..., tzinfo=UTC)"
            )

    @classmethod
    def clear(cls, name: str) -> Deadline:
        """Return what clears the deadline of that name, if one is set."""
        return cls(name, cleared=True)

    def due_ms(self, now_ms: int) -> int | None:
        """Return when it is due, in milliseconds since the epoch, where it is set now; None where it clears one."""
        if self.at is not None:
            return (self.at - _EPOCH) // _MILLISECOND
        return None if self.after is None else now_ms + self.after // _MILLISECOND
