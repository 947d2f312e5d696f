"""Tracks the partitions that a group's consumer is assigned: records in flight, pauses, commits, lag."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from verbwire.engine.transactions.group_metadata import membership_of
from verbwire.kafka import denials
from verbwire.kafka.progress import InputProgress
from verbwire.observability.metrics.effects import EffectMetrics
from verbwire.subscribers.key_queues import KeyedWorkQueue
from verbwire.subscribers.parking import SubscriberParking
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.subscribers.plan import SubscriberPlan

log = logging.getLogger(__name__)

RUNNING = "running"  # the state of a partition that is assigned
STOPPED = "stopped"  # that of one which has no room for more that is parked, or waits for what was parked before
_IN_FLIGHT_BYTES = 4 * 1024 * 1024  # of one partition


class AssignedPartitions:
    """Owns the assignment of one consumer. Belongs to the consumer's thread, but for :meth:`owned`."""

    def __init__(
        self,
        plan: SubscriberPlan,
        queue: KeyedWorkQueue,
        metrics: EffectMetrics,
        parking: SubscriberParking | None = None,
    ) -> None:
        self._plan = plan
        self._parking = parking
        self._queue = queue
        self._metrics = metrics
        self._all: dict[tuple[str, int], PartitionInFlight] = {}
        self._paused: set[PartitionInFlight] = set()
        self._captured = b""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._all)

    @property
    def any_paused(self) -> bool:
        """Whether one of them is paused."""
        return bool(self._paused)

    def owned(self) -> tuple[int, ...]:
        """Return the partitions of the group's sources. From any thread."""
        return tuple(sorted({partition for topic, partition in list(self._all) if topic in self._plan.decoders}))

    def stopped(self) -> tuple[int, ...]:
        """Return those of them that wait for an operator. From any thread."""
        if self._parking is not None:
            return tuple(sorted(self._parking.stopped()))
        return tuple(sorted({each.partition for each in list(self._all.values()) if each.blocked}))

    def of(self, topic: str, partition: int) -> PartitionInFlight:
        """Return what is in flight of one partition."""
        return self._all[topic, partition]

    def add(self, places: Iterable[TopicPartition]) -> None:
        """Begin with these partitions."""
        new = [PartitionInFlight(each.topic, each.partition, self._membership) for each in places]
        if self._parking is not None:  # before their records are handled
            self._parking.assign(self._leading(new))
        self._all.update({(each.topic, each.partition): each for each in new})

    def capture(self, consumer: Consumer) -> None:
        """Note the group's membership as it is now, for who writes outcomes on other threads.

        Only here: of a consumer that another thread polls confluent-kafka does not get to ask (2.16: without end).
        """
        self._captured = membership_of(consumer)

    def _membership(self) -> bytes:
        return self._captured

    def revoke(self, consumer: Consumer, places: Iterable[TopicPartition], seconds: float) -> None:
        """Let partitions go: handlers may finish within these seconds, what is done is committed."""
        self._release(consumer, self._known(places), seconds)

    def close(self, consumer: Consumer, seconds: float) -> None:
        """Let all partitions go in the same way."""
        self._release(consumer, [*self._all.values()], seconds)

    def lose(self, places: Iterable[TopicPartition] | None = None) -> None:
        """Let partitions go, all by default, that another worker has: nothing is committed, nothing waited for."""
        lost = [*self._all.values()] if places is None else self._known(places)
        self._queue.take_back(lost, 0)
        self._forget(lost)

    def throttle(self, consumer: Consumer) -> None:
        """Pause partitions with too much in flight, resume those that have come down to half of it."""
        full = [each for each in self._all.values() if each not in self._paused and self._fullness(each) >= 1]
        drained = [each for each in self._paused if self._fullness(each) <= 0.5]
        if full:
            consumer.pause(_places(full))
            self._paused.update(full)
        if drained:
            consumer.resume(_places(drained))
            self._paused.difference_update(drained)

    def commit(self, consumer: Consumer, asynchronous: bool, some: Collection[PartitionInFlight] | None = None) -> None:
        """Commit up to where these partitions, or all of them, are done."""
        offsets = self._queue.committable(self._all.values() if some is None else some)
        if not offsets:
            return
        for in_flight, offset in offsets.items():
            in_flight.committed = offset
        positions = [TopicPartition(each.topic, each.partition, offset) for each, offset in offsets.items()]
        try:
            consumer.commit(offsets=positions, asynchronous=asynchronous)
        except KafkaException as error:
            self.on_commit(error.args[0], positions)

    def on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Note what a commit has come to; librdkafka calls it."""
        for each in partitions:
            if (error or each.error) and (in_flight := self._all.get((each.topic, each.partition))):
                in_flight.committed = None  # once more, with the next ones
        if error is not None:
            log.warning("%s: offsets were not committed: %s", self._plan.group, self.said(error))

    def measure(self) -> None:
        """Tell the metrics how much there is, and how much of it is in flight."""
        self._metrics.in_flight(self._queue.in_flight())
        owned, stopped = len(self.owned()), len(self.stopped())
        may_stop = self._parking is not None or stopped
        self._metrics.states({RUNNING: owned - stopped, STOPPED: stopped} if may_stop else {RUNNING: owned})

    def progress(self) -> list[InputProgress]:
        """Return how far each partition is. From any thread."""
        return self._queue.progress(list(self._all.values()))

    def said(self, error: KafkaError) -> str:
        """Return an error of the consumer's as text; it names the ACL where one is missing."""
        group = error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
        what = f"GROUP {self._plan.group}" if group else f"TOPIC {', '.join(self._plan.topics)}"
        return denials.said(error, "READ", what)

    def _release(self, consumer: Consumer, some: list[PartitionInFlight], seconds: float) -> None:
        self._queue.take_back(some, seconds)
        self.commit(consumer, asynchronous=False, some=some)
        self._forget(some)

    def _forget(self, some: Collection[PartitionInFlight]) -> None:
        self._paused.difference_update(some)
        for each in some:
            self._all.pop((each.topic, each.partition), None)
        if self._parking is not None:
            self._parking.release(self._leading(some))

    def _leading(self, some: Collection[PartitionInFlight]) -> list[int]:
        """Return the partitions of the first source: the others go with them."""
        return [each.partition for each in some if each.topic == self._plan.subscribed[0]]

    def _fullness(self, each: PartitionInFlight) -> float:
        return max(each.records / self._plan.in_flight, each.bytes / _IN_FLIGHT_BYTES)

    def _known(self, places: Iterable[TopicPartition]) -> list[PartitionInFlight]:
        found = (self._all.get((each.topic, each.partition)) for each in places)
        return [each for each in found if each is not None]


def _places(some: Collection[PartitionInFlight]) -> list[TopicPartition]:
    return [TopicPartition(each.topic, each.partition) for each in some]
