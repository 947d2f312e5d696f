"""Feeds the engine with what aiokafka has fetched: on aiokafka's own thread, woken by events.

Nothing here waits for a fetch: what aiokafka holds is taken at once or not at all. So no fetch is ever in flight when
positions are sought, and nothing that was fetched under one assignment is taken under another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any, Protocol

from aiokafka.errors import IllegalStateError, KafkaTimeoutError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.types import TP

from verbwire.engine.faust.assignment import PartitionAssignment
from verbwire.engine.faust.input_bisection import InputBisection, UnreadableInputError
from verbwire.engine.group import GroupEngine
from verbwire.errors import EngineError, FencedError, UnavailableError, VerbwireError
from verbwire.kafka import denials

GATHER_RECORDS = 500  # with so many there is work enough to begin with it beside the transaction before
_SEARCH_SECONDS = 0.1  # an input that has failed nothing for so long can be read
BUSY_MS, IDLE_MS = 100, 5_000  # how long a fetch waits at the broker, where the next one, after a seek, waits behind it
_IDLE_SECONDS = 3.0  # without a record, until fetches wait longer; they are let go of at a seek then
# Not retriable by their class, but they pass; what the first means is found out by the restore.
_PASSING = (OffsetOutOfRangeError, KafkaTimeoutError, IllegalStateError, NoOffsetForPartitionError)

Failed = Callable[[PartitionAssignment, VerbwireError, "TP | None"], None]


class Fetched(Protocol):
    """What aiokafka has fetched; all of it belongs to the thread of its loop, but for `positions`."""

    @property
    def stopped_errors(self) -> tuple[type[BaseException], ...]:
        """What says that nothing is fetched any more."""

    def may_take(self) -> bool:
        """Whether it is for the present assignment, and may be dealt with."""

    async def take(self, places: set[TP]) -> Mapping[TP, list[Any]]:
        """Return what there is of these, at once; raises why something cannot be read."""

    def arrival(self) -> asyncio.Future[None]:
        """Return a future that is done when there is more."""

    def positions(self, places: Iterable[TP]) -> dict[tuple[str, int], int]:
        """Return up to where it has been taken."""

    def let_fetches_wait(self, milliseconds: int) -> None:
        """Let the broker hold fetches back for so long while there is nothing, from the next one on."""

    def let_go_of_fetches(self) -> None:
        """Let go of those that wait at the broker."""

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        """Seek these inputs."""


class InputFeed:
    """Takes what is fetched under one assignment and hands it to the engine's thread, a batch at a time.

    `failed` is told of what went wrong, with the input to blame where that is known; nothing is read then before the
    next `read`. Belongs to the thread of aiokafka's loop, but for `wake`, `work` and `has_taken`.
    """

    def __init__(self, engine: GroupEngine, engine_thread: Executor, fetched: Fetched, failed: Failed) -> None:
        self._engine = engine
        self._engine_thread = engine_thread
        self._fetched = fetched
        self._failed = failed
        self._bisection = InputBisection()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._assignment: PartitionAssignment | None = None  # what is read
        self._held: dict[TP, list[Any]] = {}  # taken from aiokafka, not yet given to the engine
        self._count = 0
        self._batch: tuple[PartitionAssignment, Future[None]] | None = None
        self._waits_for_engine = False
        self._arrival: asyncio.Future[None] | None = None  # aiokafka has fetched more, or has failed to
        self._idle = False
        self._looked: tuple[set[TP], float] = (set(), 0.0)  # which inputs are looked at alone, and since when
        self._unreadable: VerbwireError | None = None
        engine.progressed = self._engine_progressed
        for each in (engine.due, engine.exchanger):
            if each is not None:
                each.moved = self.wake

    # -- from any thread

    def wake(self) -> None:
        """Look again."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the worker stops
                self._loop.call_soon_threadsafe(self._woken.set)

    @property
    def work(self) -> Future[None] | None:
        """The batch that the engine is at, or was at last."""
        return self._batch[1] if self._batch is not None else None

    def has_taken(self, topic: str, partition: int, position: int) -> bool:
        """Whether everything below this position has been taken from aiokafka, for the engine or for its next batch."""
        return self._fetched.positions({TP(topic, partition)}).get((topic, partition)) == position

    # -- on aiokafka's thread

    async def seek(self, assignment: PartitionAssignment, positions: Mapping[TP, int]) -> None:
        """Seek inputs of an assignment; one that was read before is read no more."""
        if self._assignment is not assignment:
            self._stop()
        for tp in positions:
            self._count -= len(self._held.pop(tp, ()))
        if self._idle:
            self._pace(idle=False)
            self._fetched.let_go_of_fetches()
        await self._fetched.seek_all(positions)

    def read(self, assignment: PartitionAssignment) -> None:
        """Read the inputs of an assignment, which have been sought."""
        self._assignment = assignment
        self._pace(idle=False)
        self._woken.set()

    async def run(self) -> None:
        """Feed the engine until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            await self._look()
            patience, due = self._patience(), self._seconds_until_due()
            try:
                async with asyncio.timeout(patience if due is None else min(due, patience or due)):
                    await self._woken.wait()
            except TimeoutError:
                if due is None or (patience is not None and patience <= due):
                    self._pace(idle=not self._bisection.searching)

    # -- inside

    def _patience(self) -> float | None:
        if self._bisection.searching:
            return _SEARCH_SECONDS
        return None if self._idle else _IDLE_SECONDS

    def _seconds_until_due(self) -> float | None:
        """Return when the engine is to be called without a record; None: not before something else happens."""
        return None if self._assignment is None or self._is_building() else self._engine.idle_seconds()

    def _is_building(self) -> bool:
        return self._batch is not None and not self._batch[1].done()

    def _pace(self, idle: bool) -> None:
        if idle is not self._idle:
            self._idle = idle
            self._fetched.let_fetches_wait(IDLE_MS if idle else BUSY_MS)

    def _stop(self) -> None:
        self._assignment, self._held, self._count, self._unreadable = None, {}, 0, None

    def _engine_progressed(self) -> None:
        """The engine can take more, or has failed. On one of its threads."""
        if self._waits_for_engine or self._engine.failure is not None:
            self.wake()

    def _worked(self, work: Future[None]) -> None:
        """The batch is dealt with. On the engine's thread; after a stop nobody asks for its result."""
        if self._waits_for_engine or work.cancelled() or work.exception() is not None:
            self.wake()

    async def _look(self) -> None:
        """Take what there is, and hand it over if the engine can take it."""
        assignment = self._assignment
        while assignment is not None and assignment.live and self._fetched.may_take():
            # Looked at once: a partition may stop at any time, and none means all.
            readable = self._bisection.choose(self._readable(assignment))
            if not readable:
                return
            self._waits_for_engine = True  # before it is looked at: it tells of what happens from now on
            if self._count < GATHER_RECORDS and self._unreadable is None:
                await self._take(readable)
            if self._is_building():
                return
            if failure := self._failure(assignment):
                self._fail(assignment, failure, readable)
                return
            self._note_passed(readable)
            if self._held and self._count < GATHER_RECORDS and not self._engine.flushed:
                # Its records would wait for those of the transaction before: what comes meanwhile joins them. Small
                # transactions in a row cost as much as large ones.
                return
            self._waits_for_engine = False
            if not self._hand_over(assignment, readable):
                return

    def _note_passed(self, readable: set[TP]) -> None:
        """Note that these can be read: something was, or nothing has failed for a while."""
        if not self._bisection.searching:
            return
        now, (looked, since) = time.monotonic(), self._looked
        if looked != readable:
            self._looked = readable, now
        elif now - since >= _SEARCH_SECONDS or self._held:
            self._bisection.passed(readable)

    async def _take(self, readable: set[TP]) -> None:
        """Take what aiokafka has; why it has not what it should: a position that is gone, no permission."""
        try:
            if self._arrival is not None and self._arrival.done():
                arrival, self._arrival = self._arrival, None
                arrival.result()
            found = await self._fetched.take(readable)
        except self._fetched.stopped_errors:
            self._stop()
            return
        except Exception as error:  # noqa: BLE001 (whatever a damaged batch makes of its reader)
            self._unreadable = _unreadable(error)
            return
        for tp, records in found.items():
            self._held.setdefault(tp, []).extend(records)
            self._count += len(records)
        if found:
            self._pace(idle=False)
        if self._arrival is None:
            self._arrival = self._fetched.arrival()
            self._arrival.add_done_callback(lambda _: self._woken.set())

    def _hand_over(self, assignment: PartitionAssignment, readable: set[TP]) -> bool:
        """Give the engine what is held, and how far that is, or let it fire; return whether there was anything."""
        positions = self._fetched.positions(readable)  # all records below have been taken
        read = {place: offset for place, offset in positions.items() if assignment.read.get(place) != offset}
        if not self._held and not read and not self._engine.is_due():
            return False
        assignment.read |= read
        batch = {(tp.topic, tp.partition): found for tp, found in self._held.items()}
        self._held, self._count = {}, 0
        work = self._engine_thread.submit(self._engine.process, batch, assignment.membership, assignment.is_live, read)
        self._batch = (assignment, work)
        work.add_done_callback(self._worked)
        return True

    def _failure(self, assignment: PartitionAssignment) -> VerbwireError | None:
        """Return what the last batch failed with, unless it was an older assignment's; else what else went wrong."""
        owner, work = self._batch or (None, None)
        if owner is assignment and work is not None:
            error = work.exception()
            if error is not None:
                return error if isinstance(error, VerbwireError) else EngineError(f"the engine failed: {error!r}")
        return self._engine.failure or self._unreadable

    def _fail(self, assignment: PartitionAssignment, failure: VerbwireError, readable: set[TP]) -> None:
        self._stop()
        blamed = self._bisection.failed(readable) if isinstance(failure, UnreadableInputError) else None
        if isinstance(failure, FencedError):
            assignment.live = False
        self._failed(assignment, failure, blamed)

    def _readable(self, assignment: PartitionAssignment) -> set[TP]:
        stopped, hears = self._engine.stopped(), self._engine.hears
        if not stopped:
            return assignment.inputs
        return {tp for tp in assignment.inputs if tp.partition not in stopped or hears(tp.topic, tp.partition)}


def _unreadable(error: Exception) -> VerbwireError:
    """Return why inputs cannot be read, and whether that will pass."""
    if denials.refuses(error):
        return UnreadableInputError(denials.denied("READ", f"TOPIC {_named(error)}"))
    passing = isinstance(error, _PASSING) or getattr(error, "retriable", False)
    return (UnavailableError if passing else UnreadableInputError)(f"the inputs cannot be read: {error!r}")


def _named(error: Exception) -> str:
    """The topics that an error of aiokafka's is about."""
    named = error.args[0] if error.args else ()
    return named if isinstance(named, str) else ", ".join(sorted(map(str, named)))
