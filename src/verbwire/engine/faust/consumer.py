"""Replaces Faust's message loop: whole fetches per partition, positions owned by us, a captured fence.

Three rules live here and in `input_feed`, each found by losing or doubling records without it:

- the membership is captured once per assignment, in aiokafka's callback, and travels with every batch
- no fetch is in flight when positions are sought, and a batch that is dropped is always followed by a seek
- a revoke marks the assignment dead at once, then waits for the transaction in flight, bounded
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from verbwire.engine.faust.assignment import PartitionAssignment
from verbwire.engine.faust.consumer_thread import FAUST_LOG, ConsumerThread, RebalanceListener
from verbwire.engine.faust.duplicate_worker import DuplicateWorkerDetector
from verbwire.engine.group import BATCH, GroupEngine
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.errors import EngineError, FencedError, RegistryUnavailableError, VerbwireError
from verbwire.kafka.group_membership import HEARTBEAT_SECONDS, REVOKE_SECONDS, SESSION_SECONDS, duplicate_worker

log = logging.getLogger(__name__)

_REGISTRY_SECONDS = 0.5  # until it is asked again: what is there answers questions meanwhile


class Consumer(driver.Consumer):
    """Faust's consumer with the engine in the place of its message loop."""

    logger = FAUST_LOG
    RebalanceListener = RebalanceListener
    _thread: ConsumerThread
    _assignment: PartitionAssignment | None = None  # what is being read
    _next: PartitionAssignment | None = None  # what is being restored

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._detector = DuplicateWorkerDetector()
        super().__init__(*arguments, **options)

    @property
    def engine(self) -> GroupEngine:
        """The engine of this group."""
        engine: GroupEngine = self.app.engine
        return engine

    @property
    def engine_thread(self) -> Executor:
        """The one thread that the engine runs on."""
        thread: Executor = self.app.engine_thread
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
        await self._in_thread(self._thread.feed.seek(assignment, positions))
        if not assignment.live:
            # Read on under it, and what has been fetched for its successor would be taken, and dropped.
            raise FencedError("the partitions were taken away while they were sought")
        assignment.inputs = assignment.inputs | set(positions)  # replaced, never changed: another thread reads it
        self.resume_partitions(assignment.inputs)
        self._assignment = assignment
        self._thread.thread_loop.call_soon_threadsafe(self._thread.feed.read, assignment)

    async def _in_thread(self, call: Coroutine[Any, Any, None]) -> None:
        try:
            under_way = asyncio.run_coroutine_threadsafe(call, self._thread.thread_loop)
        except RuntimeError as error:
            call.close()
            raise FencedError("the worker stops") from error
        await asyncio.wrap_future(under_way)

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
        if (work := self._thread.feed.work) is not None and not work.done():
            under_way = asyncio.wrap_future(work)
            under_way.add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.wait([under_way], timeout=REVOKE_SECONDS)
        while self.engine.busy() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.002)

    # -- reading, which the feed does on aiokafka's thread

    async def _drain_messages(self, fetcher: Any) -> None:
        """Stand by."""
        try:
            await fetcher.wait_until_stopped()
        except asyncio.CancelledError:
            if not self.app.should_stop:  # Faust's Fetcher would crash on its missing supervisor
                raise

    def resume_flow(self) -> None:
        """Let the feed read."""
        super().resume_flow()
        self._thread.feed.wake()

    def reading_failed(self, assignment: PartitionAssignment, failure: VerbwireError, blamed: TP | None) -> None:
        """Start an assignment over, of which the feed reads no more. In aiokafka's thread."""
        asyncio.run_coroutine_threadsafe(self._deal_with(assignment, failure, blamed), self._thread.parent_loop)

    async def _deal_with(self, assignment: PartitionAssignment, failure: VerbwireError, blamed: TP | None) -> None:
        try:
            if blamed is not None:
                call = partial(self.engine.unreadable, blamed.topic, blamed.partition, str(failure))
                await asyncio.get_running_loop().run_in_executor(self.engine_thread, call)
            if isinstance(failure, RegistryUnavailableError):
                await asyncio.sleep(_REGISTRY_SECONDS)
            if self._assignment is assignment:
                self._start_over(assignment, failure)
        except Exception as error:  # noqa: BLE001 (beyond repair, or not foreseen: the process must not live on)
            await self.app.crash(error)

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


SETTINGS = {
    "broker_session_timeout": SESSION_SECONDS,
    "broker_heartbeat_interval": HEARTBEAT_SECONDS,
    "broker_rebalance_timeout": 10.0,
    # aiokafka leaves the group after so long without a fetch, and joins again only with the next one: a standby without
    # partitions, a long restore or outage, or partitions that are all stopped would end the worker in silence.
    "broker_max_poll_interval": 10 * 365 * 86400.0,
    # Offsets are committed with transactions: Faust would look every three seconds what there is to commit for it.
    "broker_commit_interval": 10 * 365 * 86400.0,
    "broker_max_poll_records": BATCH.records,
    # Where the log no longer holds a position, aiokafka would go on at its first record and say nothing of those lost.
    "consumer_auto_offset_reset": "none",
    "stream_wait_empty": False,
    "topic_disable_leader": True,
    "topic_allow_declare": False,
    "web_enabled": False,
}
