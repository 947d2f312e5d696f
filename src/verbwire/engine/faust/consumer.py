"""Replaces Faust's message loop: whole fetches per partition, positions owned by us, a captured fence.

Three rules live here, each found by losing or doubling records without it:

- the membership is captured once per assignment, in aiokafka's callback, and travels with every batch
- no fetch is in flight when positions are sought, and a batch that is dropped is always followed by a seek
- a revoke marks the assignment dead at once, then waits for the transaction in flight, bounded
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaTimeoutError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from verbwire.engine.faust.assignment import PartitionAssignment
from verbwire.engine.faust.consumer_thread import FAUST_LOG, ConsumerThread, RebalanceListener
from verbwire.engine.faust.duplicate_worker import DuplicateWorkerDetector
from verbwire.engine.faust.input_bisection import InputBisection, UnreadableInputError
from verbwire.engine.group import BATCH, GroupEngine
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.errors import EngineError, FencedError, RegistryUnavailableError, UnavailableError, VerbwireError
from verbwire.kafka import denials
from verbwire.kafka.group_membership import HEARTBEAT_SECONDS, REVOKE_SECONDS, SESSION_SECONDS, duplicate_worker

log = logging.getLogger(__name__)

FETCH_SECONDS = 0.1  # also how soon a failed commit is noticed while nothing comes in
GATHER_SECONDS = 0.003  # how soon it is noticed that the next transaction may begin
GATHER_RECORDS = 500  # with so many there is work enough to begin with it beside the transaction before
_IDLE_SECONDS = 0.01
_REGISTRY_SECONDS = 0.5  # until it is asked again: what is there answers questions meanwhile
# Not retriable by their class, but they pass; what the first means is found out by the restore.
_PASSING = (OffsetOutOfRangeError, KafkaTimeoutError, IllegalStateError, NoOffsetForPartitionError)


class Consumer(driver.Consumer):
    """Faust's consumer with the engine in the place of its message loop."""

    logger = FAUST_LOG
    RebalanceListener = RebalanceListener
    _assignment: PartitionAssignment | None = None  # what is being read
    _next: PartitionAssignment | None = None  # what is being restored
    _fetch: asyncio.Future[Any] | None = None
    _batch: tuple[PartitionAssignment, asyncio.Future[None]] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._bisection = InputBisection()
        self._detector = DuplicateWorkerDetector()
        super().__init__(*arguments, **options)

    @property
    def engine(self) -> GroupEngine:
        """The engine of this group."""
        engine: GroupEngine = self.app.engine
        return engine

    @property
    def engine_thread(self) -> ThreadPoolExecutor:
        """The one thread that the engine runs on."""
        thread: ThreadPoolExecutor = self.app.engine_thread
        return thread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- assignments

    def capture(self, generation: int, member: str) -> None:
        """Remember the membership of a new assignment. In aiokafka's thread."""
        group, instance = self.app.conf.id, self.app.conf.consumer_group_instance_id
        if self._detector.is_duplicate(member):
            self.app.failure = self.duplicate_worker()
        self._next = PartitionAssignment(GroupMetadata(group, generation, member, instance))
        log.info("%s: assigned in generation %d", group, generation)

    def duplicate_worker(self) -> EngineError:
        """Return the error for another process that uses this worker's name."""
        return EngineError(duplicate_worker(self.app.conf.consumer_group_instance_id, self.app.conf.id))

    def forget_assignment(self) -> None:
        """The partitions are no longer ours, whether they are read or still restored. In aiokafka's thread too."""
        for assignment in (self._assignment, self._next):
            if assignment is not None:
                assignment.live = False

    @property
    def next_assignment(self) -> PartitionAssignment | None:
        """The assignment that waits to be restored."""
        return self._next

    def holds(self) -> bool:
        """Whether what is read under the present assignment is still ours alone. From any thread.

        An assignment that waits to be restored does not count: what is there was restored under the one before.
        """
        assignment, thread = self._assignment, self._thread
        return assignment is not None and assignment.live and thread is not None and thread.lease.holds()

    async def begin(self, assignment: PartitionAssignment, positions: dict[TP, int]) -> None:
        """Read these inputs from these positions on; FencedError when they were taken away meanwhile."""
        if self._assignment is not assignment:
            self._assignment = None
            await self.no_fetch_in_flight()
        if positions:
            await self.seek_wait({driver._TopicPartition(*tp): offset for tp, offset in positions.items()})
        if not assignment.live:
            # Read on under it, and a fetch that sleeps through the rebalance takes the records that its successor has
            # just sought, and drops them.
            raise FencedError("the partitions were taken away while they were sought")
        assignment.inputs |= set(positions)
        self.resume_partitions(assignment.inputs)
        self._assignment = assignment

    async def no_fetch_in_flight(self) -> None:
        """Wait for the fetch under way: it would take the first records after a seek and drop them, unseen."""
        while self._fetch is not None and not self._fetch.done():
            await asyncio.wait([self._fetch])

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Give up the assignment, and a restore under way, once the transaction in flight is over."""
        self._give_up_assignment(revoked)
        await self._settle()
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """Finish the transaction in flight, leave the rest of its batch, then stop."""
        self._give_up_assignment(set())
        await self._settle()
        await super().on_stop()

    async def perform_seek(self) -> None:
        """Do nothing: Faust would seek to committed offsets that are not stable."""

    def _give_up_assignment(self, revoked: set[TP]) -> None:
        self.forget_assignment()
        self._assignment = self._next = None
        self.app.tables.recovery.on_partitions_revoked(revoked)  # at once: the batch in flight may queue behind it
        asyncio.get_running_loop().run_in_executor(self.engine_thread, self.engine.suspend)

    async def _settle(self) -> None:
        deadline = asyncio.get_running_loop().time() + REVOKE_SECONDS
        if self._batch and not self._batch[1].done():
            await asyncio.wait([self._batch[1]], timeout=REVOKE_SECONDS)
        while self.engine.busy() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.002)

    # -- the loop

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                await self._step()
        except self.consumer_stopped_errors:
            return
        except asyncio.CancelledError:
            if not self.app.should_stop:  # Faust's Fetcher would crash on its missing supervisor
                raise
        except EngineError as error:
            await self.app.crash(error)

    async def _step(self) -> None:
        """Fetch the next batch while the last one is worked on, then hand it over."""
        assignment = self._assignment
        if assignment is None or not assignment.live or not self.flow_active:
            await asyncio.sleep(_IDLE_SECONDS)
            return
        # Looked at once: a partition may stop at any time, and none means all.
        readable = self._bisection.choose(self._readable(assignment))
        if not readable:
            await asyncio.sleep(_IDLE_SECONDS)
            return
        records, unreadable = await self._fetched(readable, FETCH_SECONDS)
        while records and unreadable is None and self._has_to_wait(assignment, records):
            more, unreadable = await self._fetched(readable, GATHER_SECONDS)
            for tp, found in more.items():
                records.setdefault(tp, []).extend(found)
        positions = self._thread.positions(readable)  # no fetch is in flight: all records below have been given to us
        failure = await self._last_batch(assignment) or self.engine.failure or unreadable
        if self._assignment is not assignment or not assignment.live:
            return
        if failure is not None:
            if isinstance(failure, UnreadableInputError) and (tp := self._bisection.failed(readable)):
                call = partial(self.engine.unreadable, tp.topic, tp.partition, str(failure))
                await asyncio.get_running_loop().run_in_executor(self.engine_thread, call)
            if isinstance(failure, RegistryUnavailableError):
                await asyncio.sleep(_REGISTRY_SECONDS)
            if self._assignment is assignment:
                self._start_over(assignment, failure)
            return
        self._bisection.passed(readable)
        read = self._newly_read(assignment, positions)
        if records or read:
            batch = {(tp.topic, tp.partition): found for tp, found in records.items()}
            work = asyncio.get_running_loop().run_in_executor(
                self.engine_thread, self.engine.process, batch, assignment.membership, assignment.is_live, read
            )
            work.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # after a stop its result is not asked for
            self._batch = (assignment, work)

    def _has_to_wait(self, assignment: PartitionAssignment, records: dict[TP, list[Any]]) -> bool:
        """Whether the transaction before these records keeps theirs from the broker: what comes meanwhile joins them.

        Small transactions in a row cost as much as large ones; without it 16 commands under way were dealt with four by
        four.
        """
        building = self._batch is not None and not self._batch[1].done()
        many = sum(map(len, records.values())) >= GATHER_RECORDS
        if many or not assignment.live or self._assignment is not assignment:
            return False
        return building or not self.engine.flushed

    async def _fetched(self, readable: set[TP], seconds: float) -> tuple[dict[TP, list[Any]], VerbwireError | None]:
        """Return what there is to read, or why it cannot be: a position that the log does not hold, no permission."""
        self._fetch = asyncio.ensure_future(self._thread.getmany(readable, seconds))
        try:
            return await self._fetch, None
        except self.consumer_stopped_errors:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a damaged batch makes of its reader)
            passing = isinstance(error, _PASSING) or getattr(error, "retriable", False)
            if denials.refuses(error):
                return {}, UnreadableInputError(denials.denied("READ", f"TOPIC {_named(error)}"))
            return {}, (UnavailableError if passing else UnreadableInputError)(f"the inputs cannot be read: {error!r}")

    def _newly_read(
        self, assignment: PartitionAssignment, positions: dict[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        """Return those positions that the engine does not know yet."""
        news = {place: offset for place, offset in positions.items() if assignment.read.get(place) != offset}
        assignment.read |= news
        return news

    def _readable(self, assignment: PartitionAssignment) -> set[TP]:
        stopped = self.engine.stopped()
        return {tp for tp in assignment.inputs if tp.partition not in stopped} if stopped else assignment.inputs

    async def _last_batch(self, assignment: PartitionAssignment) -> VerbwireError | None:
        """Return what the batch in flight failed with, unless it was an older assignment's."""
        if self._batch is None:
            return None
        owner, work = self._batch
        try:
            await asyncio.wait([work])  # a revoke waits for the same future: it stays in its place until it is done
            error = work.exception()
        finally:
            if self._batch is not None and self._batch[1].done():
                self._batch = None
        if error is None or owner is not assignment:
            return None
        return error if isinstance(error, VerbwireError) else EngineError(f"the engine failed: {error!r}")

    def _start_over(self, assignment: PartitionAssignment, failure: VerbwireError) -> None:
        """Drop everything and begin again from what is committed; a lost fence waits for the next assignment."""
        log.warning("%s: %s", self.app.conf.id, failure)
        if isinstance(failure, EngineError) and not isinstance(failure, FencedError):
            raise failure
        if isinstance(failure, FencedError):
            assignment.live = False
            asyncio.get_running_loop().run_in_executor(self.engine_thread, self.engine.release)
            self._thread.rejoin()
            return
        self._assignment = None
        self._next = PartitionAssignment(assignment.membership, assignment.partitions)
        self.app.tables.recovery.start_over()


class Transport(driver.Transport):
    """Faust's aiokafka driver with the engine's consumer."""

    logger = FAUST_LOG
    Consumer = Consumer


def _named(error: Exception) -> str:
    """The topics that an error of aiokafka's is about."""
    named = error.args[0] if error.args else ()
    return named if isinstance(named, str) else ", ".join(sorted(map(str, named)))


SETTINGS = {
    "broker_session_timeout": SESSION_SECONDS,
    "broker_heartbeat_interval": HEARTBEAT_SECONDS,
    "broker_rebalance_timeout": 10.0,
    # aiokafka leaves the group after so long without a fetch, and joins again only with the next one: a standby without
    # partitions, a long restore or outage, or partitions that are all stopped would end the worker in silence.
    "broker_max_poll_interval": 10 * 365 * 86400.0,
    "broker_max_poll_records": BATCH.records,
    # Where the log no longer holds a position, aiokafka would go on at its first record and say nothing of those lost.
    "consumer_auto_offset_reset": "none",
    "stream_wait_empty": False,
    "topic_disable_leader": True,
    "topic_allow_declare": False,
    "web_enabled": False,
}
