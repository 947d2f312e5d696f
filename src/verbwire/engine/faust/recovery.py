"""Replaces Faust's table manager and recovery: the engine restores partitions, in batches."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from faust.tables.manager import TableManager
from faust.types import TP
from mode import Service

from verbwire.engine.faust.assignment import PartitionAssignment
from verbwire.engine.faust.consumer import Consumer
from verbwire.engine.faust.consumer_thread import FAUST_LOG
from verbwire.engine.restore.changelog import CancelledRestore
from verbwire.errors import EngineError, FencedError, VerbwireError

log = logging.getLogger(__name__)

_ASK_AGAIN = 0.05  # seconds: partitions of dead workers become stable one by one
_ASK_RETRYING = 0.5  # seconds: copies that could not be opened or written
_AFTER_FAILURE = 0.2  # seconds, twice as long after each further one
_LONGEST_PAUSE = 2.0


class Recovery(Service):
    """Restores the partitions of each new assignment, and starts over after a failure."""

    logger = FAUST_LOG

    def __init__(self, app: Any, tables: Any, **options: Any) -> None:
        self.app = app
        self.tables = tables
        self.completed = asyncio.Event()  # Faust waits for this
        self.in_recovery = False
        self._requested = asyncio.Event()
        self._generation = 0  # changes whenever the restore under way must stop
        self._pause = _AFTER_FAILURE
        self._had_all_inputs = False  # whether an assignment had all inputs, or another one was asked for
        super().__init__(**options)

    def on_partitions_revoked(self, _: set[TP]) -> None:
        """Cancel the restore under way."""
        self._generation += 1

    async def on_rebalance(self, *_: Any, **__: Any) -> None:
        """Restore the partitions of the new assignment."""
        self.start_over()

    def start_over(self) -> None:
        """Restore the next assignment, from the start."""
        self._generation += 1
        self._requested.set()

    @Service.task
    async def _restore_assignments(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self._requested):
                return
            self._requested.clear()
            assignment = self.app.consumer.next_assignment
            if assignment is None:
                continue
            try:
                await self._restore(assignment, self._generation)
                self._pause = _AFTER_FAILURE
            except (CancelledRestore, FencedError) as error:
                log.info("%s: restore cancelled: %s", self.app.conf.id, error or "partitions taken away")
            except EngineError as error:
                await self.app.crash(error)
                return
            except VerbwireError as error:
                log.warning("%s: restore failed, retrying: %s", self.app.conf.id, error)
                await self.sleep(self._pause)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                self._requested.set()
            except Exception as error:
                log.exception("%s: unexpected error while restoring", self.app.conf.id)
                await self.app.crash(error)
                return

    async def _restore(self, assignment: PartitionAssignment, generation: int) -> None:
        consumer: Consumer = self.app.consumer
        assignment.membership.proof()  # refuses what is no membership before any work is done
        topology = self.app.engine.topology
        inputs = [tp for tp in self.app.assignor.assigned_actives() if tp.topic in topology.inputs]
        todo, first = {tp.partition for tp in inputs if tp.partition < topology.partitions}, True  # others were added
        self._ensure_all_inputs(len(inputs) == len(todo) * len(topology.inputs) > 0)
        assignment.partitions = set(todo)

        def cancelled() -> bool:
            return self._generation != generation or self.should_stop or not assignment.live

        while todo or first:
            ready = await asyncio.get_running_loop().run_in_executor(
                consumer.engine_thread, self.app.engine.restore, sorted(todo), cancelled, first
            )
            if cancelled() or consumer.next_assignment is not assignment:
                raise CancelledRestore
            if ready or first:
                await self._begin_reading(
                    assignment, {TP(t, p): o for p, inputs in ready.items() for t, o in inputs.items()}
                )
                if cancelled():
                    raise CancelledRestore
            retrying = self.app.engine.retrying()
            todo -= set(ready) | (set(self.app.engine.stopped()) - retrying)
            first = False
            if todo:
                await self.sleep(_ASK_AGAIN if todo - retrying else _ASK_RETRYING)
                if cancelled():
                    raise CancelledRestore

    def _ensure_all_inputs(self, had_all_inputs: bool) -> None:
        """Ask for a new assignment where inputs are missing in the first one.

        A static member that comes back is given what it had, also where that was nothing: a topic was away then, or
        was not read yet.
        """
        if not had_all_inputs and not self._had_all_inputs:
            self.app.consumer._thread.rejoin()
        self._had_all_inputs = True

    async def _begin_reading(self, assignment: PartitionAssignment, positions: dict[TP, int]) -> None:
        app, consumer = self.app, self.app.consumer
        reading = consumer._assignment is assignment
        await consumer.begin(assignment, positions)
        log.info("%s: reading %s", app.conf.id, ", ".join(f"{t}/{p}@{o}" for (t, p), o in sorted(positions.items())))
        if reading:
            return
        await app.on_rebalance_complete.send()
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        if app.rebalancing:  # it is no rebalance where the same assignment starts over, and Faust would complain
            app.on_rebalance_end()


class Tables(TableManager):
    """Faust's table manager with that recovery, and without its wait of a second."""

    logger = FAUST_LOG
    _recovery: Recovery | None = None

    @property
    def recovery(self) -> Recovery:
        """The one recovery service."""
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Make the tables known, then wait for assignments."""
        await self._update_channels()
        await self.recovery.start()
