"""Processes events into a windowed table: rows by key and window of event time, closed and dropped as time moves on.

Time is the newest event time that was folded in the partition, no machine's clock. It is committed with what it
decided: a restart, or another owner, decides the same. No event moves it further than `ahead` of its own record's
timestamp, which is the same on every replay; nor of today, where a topic holds timestamps that its producers gave.
"""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.window import Window
from verbwire.engine.processors.inputs import UNREAD
from verbwire.engine.processors.table import DeadLettered, Decoded, Matched, Skipped, TableProcessor
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.dead_letters import legible
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import NewerSchemaError, UndecodableError
from verbwire.kafka.broker_clock import CLOCKS_APART
from verbwire.kafka.record import Record, place_of
from verbwire.observability.watch.throttle import Throttle
from verbwire.wire.keys import window_key

FORGOTTEN_AT_ONCE = 1000  # rows deleted in one batch, besides those that it changed itself
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class WindowedTableProcessor(TableProcessor):
    """Folds events into the rows of their windows."""

    window: Window
    contract: Contract  # of the row: its key is what is counted, and when the window begins
    times: Mapping[type[Any], str]  # class of event -> its field that is event time
    now: Callable[[], float] = clock.time  # seconds since the epoch

    def __post_init__(self) -> None:
        self._start = self.contract.key[-1]
        size, lateness, retention = self.window.size, self.window.lateness, self.window.retention
        self._open = (size + lateness) // _MICROSECOND  # from a window's start
        self._kept = (size + retention) // _MICROSECOND
        self._ahead = self.window.ahead // _MICROSECOND
        self._latest = self._latest_now()
        self._throttle = Throttle[str]()

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Fold these events, in order, and return how many; forget the windows that time has left behind."""
        self._latest = self._latest_now()
        done = super().process(cache, records, transaction)
        if cache.time is not None:
            self._forget(cache, cache.time - self._kept)
        return done

    def _decode(self, record: Record, message: Any = UNREAD) -> Decoded:
        decoded = super()._decode(record, message)
        return self._place(decoded) if isinstance(decoded, Matched) else decoded

    def _place(self, matched: Matched) -> Decoded:
        """Return it under the key of its window's row."""
        time = _moment(getattr(matched.message, self.times[type(matched.message)]))
        microseconds = _microseconds(time)
        if microseconds > matched.source.timestamp * 1000 + self._ahead or microseconds > self._latest:
            return self._too_far_ahead(matched, time)
        try:
            start = self.window.start_of(time)
        except OverflowError as error:
            raise UndecodableError(f"the event's time {time} is in no window") from error
        try:
            key = window_key(self.contract, matched.key, start)
        except UndecodableError as error:
            raise StopPartition(matched.record, legible(str(error))) from error
        context = matched.context and replace(matched.context, window=start)
        matched.key, matched.context, matched.at = key, context, (microseconds, _microseconds(start))
        return matched

    def _latest_now(self) -> int:
        """What no event's time is beyond, unless its record's timestamp is wrong, too."""
        return int(self.now() * 1e6) + self._ahead + CLOCKS_APART // _MICROSECOND

    def _too_far_ahead(self, matched: Matched, time: datetime) -> DeadLettered | Skipped:
        source, window = matched.source, self.window
        why = (
            f"the event's time {time.isoformat()} is more than {window.ahead} ahead of its record's timestamp "
            f"{source.timestamp} ms, or of now: mend the sender's clock, or let the window take it (ahead=...)"
        )
        if window.when_ahead == "dead-letter":
            return DeadLettered("ahead", why)  # which is logged as every dead letter is
        if self._throttle.admit(source.topic) is not None:
            place = place_of(source)
            log.warning("%s: %s. It is left out, as late. Others like it are logged once a minute", place, why)
        return Skipped("late")

    def _apply(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        if not self._is_over(cache, matched, self._open, transaction):
            self._count_in(cache, matched, transaction)

    def _hold(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        """Whether an event is late is decided when it comes, not when the one before it can be handled."""
        if not self._is_over(cache, matched, self._open, transaction):
            super()._hold(cache, matched, transaction)

    def _apply_parked(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        """It came in time, and counts as long as its window's row is kept."""
        if not self._is_over(cache, matched, self._kept, transaction):
            self._count_in(cache, matched, transaction)

    def _is_over(self, cache: PartitionCache, matched: Matched, length: int, transaction: Transaction) -> bool:
        """Whether so much time has passed since the event's window began; then the event is counted as late."""
        over = cache.time is not None and matched.at[1] + length < cache.time
        if over:
            transaction.count("late")
        return over

    def _count_in(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        super()._apply(cache, matched, transaction)
        time, now = matched.at[0], cache.time
        cache.time = time if now is None else max(now, time)

    def _forget(self, cache: PartitionCache, before: int) -> None:
        """Delete the rows of windows that began before.

        Those that the transactions under way have changed are not all in the store yet: the next batch finds them.
        """
        changed = [key for key, row in cache.dirty.items() if row is not None and self._start_of(row) < before]
        found = [key for key, _ in cache.store.below(self._start, before, FORGOTTEN_AT_ONCE)]
        try:
            cache.load(found)
        except NewerSchemaError:
            found = []  # whose code has their version forgets them
        for key in (*changed, *found):
            if cache.get(key) is not None:
                cache.put(key, None)

    def _start_of(self, row: Any) -> int:
        return _microseconds(getattr(row, self._start))


def _moment(time: datetime | date) -> datetime:
    return time if isinstance(time, datetime) else datetime(time.year, time.month, time.day, tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
