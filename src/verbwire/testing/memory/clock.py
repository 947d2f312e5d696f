"""The clock of a project in memory: it moves when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from verbwire.kafka.broker_clock import BrokerClock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class MemoryClock(BrokerClock):
    """Stands in for the broker's clock: timestamps of records, deadlines and grants go by it."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        if now.tzinfo is None:
            raise ValueError(f"now={now!r} has no time zone: write datetime(..., tzinfo=UTC)")
        self.now = now

    @property
    def is_known(self) -> bool:
        """Whether it can be gone by: always."""
        return True

    def now_ms(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return (self.now - _EPOCH) // _MILLISECOND

    def seconds(self) -> float:
        """Return the time in seconds since the epoch, as `time.time` does."""
        return (self.now - _EPOCH) / timedelta(seconds=1)

    def advance(self, by: timedelta | float) -> None:
        """Move it, by so many seconds where it is a number; `ValueError` for a time that would run backwards."""
        self.now = self.then(by)

    def then(self, by: timedelta | float) -> datetime:
        """Return what it will say when it has moved so far; raises like :meth:`advance`."""
        span = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if span < timedelta(0):
            raise ValueError(f"advance({by}): time runs forward")
        return self.now + span

    def reach(self, at_ms: int) -> None:
        """Move it to a moment, in milliseconds since the epoch, unless that is over."""
        self.now = max(self.now, _EPOCH + at_ms * _MILLISECOND)

    def observe(self, broker_ms: int) -> None:
        """Ignore what a broker says: this clock is nobody else's."""
