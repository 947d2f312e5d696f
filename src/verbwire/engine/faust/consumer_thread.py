"""Runs aiokafka's consumer on its own thread: read_committed, with a lease, and the membership as it is assigned."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from verbwire.engine.faust.fetched_records import use_fetched_records
from verbwire.engine.faust.input_feed import BUSY_MS, Fetched, InputFeed
from verbwire.engine.faust.lease import Lease, now
from verbwire.engine.faust.reconnecting import Reconnecting
from verbwire.engine.faust.time_order import OrderedFetch
from verbwire.kafka import denials

FAUST_LOG = logging.getLogger("faust.verbwire")  # for the classes that Faust runs: it logs every step of theirs

_FETCHER_SECONDS = 5.0  # aiokafka's fetcher is woken by what happens, and looks around by itself so often
_RETRY_BACKOFF_MS = 50


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Called by aiokafka in its own thread. No heartbeat is sent before these callbacks return: nothing slow here."""

    def on_partitions_revoked(self, revoked: Iterable[TP]) -> Any:
        """Mark the assignment dead before anything else happens."""
        self._thread.consumer.forget_assignment()
        return super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TP]) -> None:
        """Capture the membership now; at commit time it could be a later one."""
        coordinator = self._thread._ensure_consumer()._coordinator
        self._thread.consumer.capture(coordinator.generation, coordinator.member_id)
        await super().on_partitions_assigned(assigned)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """aiokafka's thread, reading only what is committed, and feeding the engine."""

    logger = FAUST_LOG
    leave_group = False
    stopped_errors = driver.Consumer.consumer_stopped_errors
    _feeding: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        """Know of no answer of the group yet."""
        super().__post_init__()
        self.lease = Lease()
        engine = self.consumer.engine
        fetched: Fetched = self
        if (step := engine.topology.in_time_order) is not None:
            fetched = OrderedFetch(self, engine.topology.sources, round(step.total_seconds() * 1000), self.ends)
        self.feed = InputFeed(engine, self.consumer.engine_thread, fetched, self.consumer.reading_failed)

    async def on_start(self) -> None:
        """Listen to what the group answers, before there is a subscription that it could answer."""
        await super().on_start()
        consumer = self._ensure_consumer()
        consumer._fetcher._fetcher_timeout = _FETCHER_SECONDS
        self.let_fetches_wait(BUSY_MS)
        self._feeding = asyncio.ensure_future(self._feed())
        coordinator = consumer._coordinator
        send = coordinator._send_req

        async def timed(request: Any) -> Any:
            sent = now()
            answer = await send(request)
            if isinstance(request, (SyncGroupRequest, HeartbeatRequest)) and answer.error_code == 0:
                self.lease.renew(sent)
            return answer

        coordinator._send_req = timed

    def _create_worker_consumer(self, transport: Any) -> Any:
        use_fetched_records()
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        consumer._retry_backoff_ms = _RETRY_BACKOFF_MS
        consumer._client._get_conn = Reconnecting(consumer._client._get_conn)
        return consumer

    @Service.task
    async def _thread_keepalive(self) -> None:
        """Stand by: what is asked of this thread, and its stop, wake its loop. A tick a second would be for nothing."""
        await self.wait_until_stopped()

    async def _keepalive2(self) -> None:
        """Do nothing: likewise, for both loops."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Say nothing: Faust would complain that it has not committed, which it must not."""

    async def on_thread_stop(self) -> None:
        """Leave the group where this worker will not come back; aiokafka never does for a static member."""
        if self._feeding is not None:
            self._feeding.cancel()
        if self.leave_group and self._consumer is not None:
            self._consumer._coordinator._group_instance_id = None
        await super().on_thread_stop()

    async def _feed(self) -> None:
        try:
            await self.feed.run()
        except Exception as error:  # noqa: BLE001 (not foreseen: a process that reads nothing must not live on)
            asyncio.run_coroutine_threadsafe(self.app.crash(error), self.parent_loop)

    # -- for the feed, on this thread

    def may_take(self) -> bool:
        """Whether what is fetched is for the present assignment, and Faust lets it flow."""
        return bool(self.consumer.flow_active) and not self._ensure_consumer()._subscription.reassignment_in_progress

    async def take(self, places: set[TP]) -> Mapping[TP, list[Any]]:
        """Return what is fetched of these, at once; raises why something cannot be."""
        consumer = self._ensure_consumer()
        found: Mapping[TP, list[Any]] = await self._fetch_records(consumer, places, 0, consumer._max_poll_records)
        return found

    def arrival(self) -> asyncio.Future[None]:
        """Return a future that is done when more has been fetched."""
        arrival: asyncio.Future[None] = self._ensure_consumer()._fetcher._create_fetch_waiter()
        return arrival

    def let_fetches_wait(self, milliseconds: int) -> None:
        """Let the broker hold fetches back for so long while there is nothing to fetch, from the next one on."""
        self._ensure_consumer()._fetcher._fetch_max_wait_ms = milliseconds

    def let_go_of_fetches(self) -> None:
        """Let go of those that wait at the broker: it deals with the requests of a connection one after another."""
        consumer = self._ensure_consumer()
        for task in consumer._fetcher._pending_tasks:
            task.cancel()
        for (_, group), connection in consumer._client._conns.items():
            if group == ConnectionGroup.DEFAULT:
                connection.close()

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        """Seek these inputs."""
        if positions:
            wanted = {driver._TopicPartition(*tp): offset for tp, offset in positions.items()}
            await self._seek_wait(self._ensure_consumer(), wanted)

    def positions(self, places: Iterable[TP]) -> dict[tuple[str, int], int]:
        """Return where aiokafka reads on: behind the records it has given us, and behind marks that are no records."""
        return {place: each.position for place, each in self._states(places).items() if each.has_valid_position}

    def ends(self, places: Iterable[TP]) -> dict[tuple[str, int], int]:
        """Return where these ended, open transactions left out, when they were fetched last."""
        return {place: each.lso for place, each in self._states(places).items() if each.lso is not None}

    def _states(self, places: Iterable[TP]) -> dict[tuple[str, int], Any]:
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription else None
        states = {tp: assignment.state_value(driver._TopicPartition(*tp)) for tp in places} if assignment else {}
        return {(tp.topic, tp.partition): each for tp, each in states.items() if each}

    def rejoin(self) -> None:
        """Ask for a new assignment, whatever aiokafka believes of the present one. From any thread."""
        self.thread_loop.call_soon_threadsafe(self._ensure_consumer()._coordinator.request_rejoin)

    def topics_have_changed(self) -> None:
        """Ask for the topics now, not within five minutes, then for a new assignment. From any thread."""
        consumer = self._ensure_consumer()

        async def ask() -> None:
            await consumer._client.force_metadata_update()
            consumer._coordinator.request_rejoin()

        asyncio.run_coroutine_threadsafe(ask(), self.thread_loop)

    def coordination_ended(self) -> str | None:
        """Return why aiokafka's coordination goes on no more: the process would live on without partitions, for ever.

        After an error that it cannot deal with it waits to be asked about it by a method that Faust never calls.
        """
        coordinator = self._consumer and self._consumer._coordinator
        if not coordinator:
            return None
        if error := getattr(coordinator, "_pending_exception", None):
            fenced = "UnknownError" in str(error)  # so aiokafka calls FENCED_INSTANCE_ID, which it does not know
            if denials.refuses(error):
                return denials.denied("READ", f"GROUP {self.consumer.app.conf.id}")
            return f"{self.consumer.duplicate_worker()}" if fenced else f"the group's coordination has failed: {error}"
        task = getattr(coordinator, "_coordination_task", None)
        return "the group's coordination has ended" if task and task.done() else None
