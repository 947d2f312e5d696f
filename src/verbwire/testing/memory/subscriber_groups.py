"""One subscriber or job in memory: the attempts of `subscribers` in the caller's thread, with no waiting in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from verbwire.client.base.connection import Connection
from verbwire.client.producing.routes import Routes
from verbwire.client.producing.sender import Sender
from verbwire.declarations.subscriber import Subscriber
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import Requeue
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.observability.job_board import JobBoard
from verbwire.observability.metrics.registry import Metrics
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.parking.key_text import parks_nothing
from verbwire.subscribers.attempt import RecordAttempt
from verbwire.subscribers.job_outcomes import job_outcomes
from verbwire.subscribers.key_queues import QueuedRecord
from verbwire.subscribers.outbox import EffectProducer
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.subscribers.plan import SubscriberPlan
from verbwire.subscribers.results import Done, Raised, Unavailable
from verbwire.testing.memory.clock import MemoryClock
from verbwire.testing.memory.parked_key import ParkedInMemory
from verbwire.testing.memory.subscriber_parking import MemorySubscriberParking
from verbwire.testing.memory.topics import MemoryProducer, MemoryTopics
from verbwire.wire.codec.topics import Codec
from verbwire.wire.headers import RawHeaders
from verbwire.wire.records.dead_letters import MAX_DEAD_LETTER


class MemorySubscriberGroup:
    """Hands the records of a group's topics to its handlers, in their order; what fails is tried again at once.

    A record that its handler requeues waits for the next `advance`, and those of its key behind it.
    """

    def __init__(
        self,
        plan: SubscriberPlan,
        connection: Connection,
        topics: MemoryTopics,
        codec: Codec,
        clock: MemoryClock,
        loop: HandlerLoop,
        replies: ReplyNotifier,
    ) -> None:
        self.name = plan.declared.group
        self.stopping = False  # told to jobs that ask for it
        self._plan = plan
        self._topics = topics
        self.parked = None
        if plan.parking is not None and isinstance(plan.declared, Subscriber):
            self.parked = MemorySubscriberParking(plan.declared, plan, topics, codec)
        self.cause: BaseException | None = None  # of `stopped`
        producer = MemoryProducer(topics, MAX_DEAD_LETTER)
        sender = Sender(producer, Routes(connection, producer, codec))
        metrics, written = Metrics().effects(plan.group), MemoryOutcomes(topics, plan.outcomes)
        self._attempts = RecordAttempt(
            plan=plan,
            producer=EffectProducer(sender, connection.principal, plan.declared),
            board=JobBoard(),
            metrics=metrics,
            watch=HandlerWatch(plan.group, patient=plan.is_job),
            loop=loop,
            outcomes=job_outcomes(plan, codec, written, RecordLimits(), replies, clock, metrics)
            if plan.is_job
            else None,
            parking=None if self.parked is None else self.parked.parking,
        )
        heard = [*plan.decoders, *([] if self.parked is None else [plan.requests])]
        self._shares = [PartitionInFlight(topic, each) for topic in heard for each in range(topics.partitions)]
        self._read = dict.fromkeys(self._shares, 0)
        self._requeued: deque[QueuedRecord] = deque()

    def step(self) -> bool:
        """Handle what there is to read; return whether there was anything."""
        found = False
        for share in self._shares:
            for record in self._topics.read(share.topic, share.partition, self._read[share], 500):
                self._read[share] = record.offset + 1
                asks = share.topic == self._plan.requests
                task = QueuedRecord.request(record, share) if asks else QueuedRecord(record, record.offset, share)
                self._take(task)
                found = True
        return found

    def retry(self) -> None:
        """Try again what was requeued."""
        waiting, self._requeued = self._requeued, deque()
        for task in waiting:
            self._take(task)

    def close(self) -> None:
        """Forget what a job has come to."""
        if self._attempts.outcomes is not None:
            self._attempts.outcomes.decided.close()

    @property
    def stopped(self) -> str | None:
        """Why a record waits for an operator: there is no room to park more."""
        return None if self.parked is None else next(iter(self.parked.parking.stopped().values()), None)

    def parked_keys(self) -> dict[bytes, ParkedInMemory]:
        """Return the keys that are parked."""
        return {} if self.parked is None else self.parked.keys()

    def first_parked(self, partition: int, key: bytes) -> list[str]:
        """Return the place of the first parked record of a key; none where none is parked."""
        return [] if self.parked is None else self.parked.first(partition, key)

    def take_parked(self) -> StopPartition | None:
        """Return the record that could not be handled since this was asked last, None where there was none."""
        return None if self.parked is None else self.parked.take()

    def key_of(self, key: tuple[Any, ...]) -> tuple[int, bytes]:
        """Return partition and bytes of a key; :class:`ConfigurationError` where nothing is parked."""
        return self._parking().key_of(key)

    def key_shown(self, key: bytes) -> Any:
        """Return a key as it was in its event."""
        return self._parking().shown(key)

    def _parking(self) -> MemorySubscriberParking:
        if self.parked is None:
            raise parks_nothing(self._plan.declared)
        return self.parked

    def _take(self, task: QueuedRecord) -> None:
        task.in_flight.stopping = self.stopping
        behind = not task.asks and any(task.order_key == each.order_key for each in self._requeued)
        try:
            if behind or not self._handled(task):
                self._requeued.append(task)
        except Requeue:
            self._requeued.append(task)

    def _handled(self, task: QueuedRecord) -> bool:
        while True:
            result = self._attempts.attempt(task)
            if isinstance(result, Raised):
                task.failures += 1
                if task.failures <= self._plan.declared.retries:
                    continue
                self.cause = result.error
                result = self._attempts.give_up(task, result)
            if isinstance(result, Unavailable):
                if self.stopped is None:
                    raise AssertionError(f"{self.name}: {result.why}")
                return False
            return isinstance(result, Done)


class MemoryOutcomes:
    """Writes and reads the outcome log of a job in memory."""

    def __init__(self, topics: MemoryTopics, topic: str) -> None:
        self._topics = topics
        self._topic = topic

    def write(
        self,
        in_flight: PartitionInFlight,  # noqa: ARG002 (nobody else can have it)
        offset: int,  # noqa: ARG002 (likewise)
        partition: int,
        line: tuple[bytes | None, bytes, RawHeaders],
    ) -> None:
        """Write a line."""
        key, value, headers = line
        self._topics.append(self._topic, partition, key, value, headers)

    def lines(self, partition: int) -> Iterator[tuple[bytes, int]]:
        """Yield all lines of a partition."""
        for each in self._topics.records(self._topic):
            if each.partition == partition:
                yield each.value or b"", each.timestamp
