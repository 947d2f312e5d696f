"""One subscriber's or job's consumer group: a consumer on a thread of its own, which never stops polling.

Handlers run on other threads (`handler_threads`), so that a slow one costs no membership.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from verbwire.errors import UndecodableError
from verbwire.kafka import denials
from verbwire.kafka.group_membership import (
    HEARTBEAT_SECONDS,
    NOT_ASSIGNED,
    REVOKE_SECONDS,
    SESSION_SECONDS,
    duplicate_worker,
)
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.progress import InputProgress
from verbwire.kafka.readers import consumed, is_end
from verbwire.kafka.recreatable import PATIENT
from verbwire.subscribers.assigned_partitions import AssignedPartitions
from verbwire.subscribers.attempt import RecordAttempt
from verbwire.subscribers.handler_threads import HandlerThreads
from verbwire.subscribers.key_queues import KeyedWorkQueue, QueuedRecord
from verbwire.wire.records.dead_letters import read_dead_letter

log = logging.getLogger(__name__)

STOP_SECONDS = 6.0  # for handlers when the worker ends; with the last commit, less than the worker itself waits
_LEAVE_SECONDS = 2.5  # for the last commit; librdkafka itself would wait for a silent broker without end
_POLL_SECONDS = 0.1
_IDLE_POLL_SECONDS = 0.25  # nothing is in flight, so there is nothing to commit or to resume
_PAUSED_POLL_SECONDS = 0.01  # a paused partition is to be resumed soon
_BATCH = 64  # records between two looks at what is in flight
_COMMIT_SECONDS = 0.5
# So often in such a time the group may fence a consumer for good before the process is given up. Once is nothing: a
# join that was repeated, because a broker that stalled had not answered it, is fenced by its own repetition.
_FENCED_TIMES = 3
_FENCED_SECONDS = 60.0

_SETTINGS: Mapping[str, Any] = {
    "session.timeout.ms": int(SESSION_SECONDS * 1000),
    "heartbeat.interval.ms": int(HEARTBEAT_SECONDS * 1000),
    "fetch.wait.max.ms": 100,  # a partition that is resumed waits for the fetch under way, of others that are empty
    "queued.min.messages": 1_000,
    "fetch.queue.backoff.ms": 20,  # by default a partition whose queue was full is let alone for a second
    "queued.max.messages.kbytes": 16_384,
    **PATIENT,
    **LOGGED,
    "log_level": 2,  # our own lines name what does not connect
}
_MUSTS: Mapping[str, Any] = {
    "partition.assignment.strategy": "cooperative-sticky",
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "allow.auto.create.topics": False,
    "enable.partition.eof": True,  # an end that is marks of transactions is seen by nothing else
}


class SubscriberGroup:
    """Reads a group's topics and has each record handled at least once, one key in order, several keys at a time.

    The worker's name is its static membership: one that is started again within the session, killed or not, goes on
    with its own partitions at once, and no other worker has to pause. Only `stop(leave=True)` leaves the group.
    """

    def __init__(self, attempts: RecordAttempt, kafka: Mapping[str, str], worker: str) -> None:
        self._plan = attempts.plan
        self._worker = worker
        self._queue = KeyedWorkQueue()
        self._handlers = HandlerThreads(attempts, self._queue)
        self._partitions = AssignedPartitions(self._plan, self._queue, attempts.metrics, attempts.parking)
        self._assigned = False
        self._failure: str | None = None  # why only a new process can help
        self._obstacle: str | None = None  # which ACL is in the way
        self._fenced: str | None = None  # why the present consumer is beyond repair
        self._fenced_at: list[float] = []
        self._stopping = threading.Event()
        self._leave = False
        self._conf = {
            **_SETTINGS,
            **kafka,
            **_MUSTS,
            "group.id": self._plan.group,
            "group.instance.id": worker,
            "on_commit": self._partitions.on_commit,
            "error_cb": self._on_error,
        }
        self._consumer: Consumer | None = None
        self._thread = threading.Thread(target=self._run, name=f"effects {self._plan.group}", daemon=True)

    def start(self) -> None:
        """Join the group and begin."""
        self._consumer = self._join()
        self._handlers.start()
        self._thread.start()

    def stop(self, leave: bool) -> None:
        """Finish what runs, within bounds, commit what is done, and let go; blocks."""
        if self._consumer is None:
            return
        self._leave = leave
        self._stopping.set()
        self._thread.join(STOP_SECONDS + _LEAVE_SECONDS)
        if self._thread.is_alive():
            log.warning("%s: the broker does not answer; what is done will be handled again", self._plan.group)

    def live(self) -> str | None:
        """Return why only a new process can help, or None."""
        return self._failure or self._handlers.failure

    def not_ready(self) -> list[str]:
        """Return what keeps this worker from doing its part."""
        return [] if self._assigned else [self._obstacle or NOT_ASSIGNED]

    def waits_for_registry(self) -> bool:
        """Whether records could not be read lately because the schema registry did not answer."""
        return self._handlers.waits_for_registry()

    def owned(self) -> tuple[int, ...]:
        """Return the partitions of its sources that it has."""
        return self._partitions.owned()

    def stopped(self) -> tuple[int, ...]:
        """Return those of them that wait for an operator."""
        return self._partitions.stopped()

    def progress(self) -> list[InputProgress]:
        """Return how far it is with each partition of its topics that it has."""
        return self._partitions.progress()

    # -- the consumer's thread

    def _run(self) -> None:
        assert self._consumer is not None  # noqa: S101 (made by start)
        try:
            commit_at = 0.0
            while not self._stopping.is_set() and self.live() is None:
                if self._fenced is not None:
                    self._consumer = self._join_anew(self._consumer, self._fenced)
                self._poll(self._consumer)
                if self._plan.is_job:
                    self._partitions.capture(self._consumer)
                self._partitions.throttle(self._consumer)
                if (now := time.monotonic()) >= commit_at:
                    self._partitions.commit(self._consumer, asynchronous=True)
                    self._partitions.measure()
                    commit_at = now + _COMMIT_SECONDS
        except Exception as error:
            log.exception("%s: the consumer broke", self._plan.group)
            self._failure = self._failure or f"the consumer broke: {error!r}"
        finally:
            self._end(self._consumer)

    def _join(self) -> Consumer:
        consumer = Consumer(self._conf)
        consumer.subscribe(
            self._plan.subscribed, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return consumer

    def _join_anew(self, consumer: Consumer, why: str) -> Consumer:
        """Let go of everything and join as a new member; fenced again and again, the process is given up."""
        now = time.monotonic()
        self._fenced_at = [*(at for at in self._fenced_at if now - at < _FENCED_SECONDS), now]
        if len(self._fenced_at) > _FENCED_TIMES:
            log.error("%s: %s", self._plan.group, why)
            self._failure = why
            return consumer
        log.warning("%s: joining again: %s", self._plan.group, why)
        self._partitions.lose()
        self._assigned = False
        consumer.close()
        self._fenced = None
        return self._join()

    def _poll(self, consumer: Consumer) -> None:
        # One by one, never consume(): a message that poll() returns is of a partition that is ours at that moment,
        # in a batch there may be some that were taken away, and given back, while it was filled.
        message = consumer.poll(self._poll_seconds())
        for _ in range(_BATCH):
            if message is None:
                return
            self._take(message)
            message = consumer.poll(0)
        if message is not None:
            self._take(message)

    def _poll_seconds(self) -> float:
        if self._partitions.any_paused:
            return _PAUSED_POLL_SECONDS
        return _POLL_SECONDS if self._queue.in_flight() else _IDLE_POLL_SECONDS

    def _take(self, message: Message) -> None:
        if is_end(message):
            return self._partitions.of(message.topic(), message.partition()).reached(message.offset())
        if (error := message.error()) is not None:
            return self._on_error(error)
        record = consumed(message)
        in_flight, offset = self._partitions.of(record.topic, record.partition), record.offset
        if record.topic == self._plan.requests:
            return self._queue.add(QueuedRecord.request(record, in_flight))
        if record.topic != self._plan.requeued:
            return self._queue.add(QueuedRecord(record, offset, in_flight))
        try:
            dead_letter = read_dead_letter(record.key, record.value, record.headers)
        except UndecodableError:
            dead_letter = None  # handled as what it is: a record of no topic of this group
        original = dead_letter.original if dead_letter else record
        return self._queue.add(QueuedRecord(original, offset, in_flight, requeued=dead_letter is not None))

    def _end(self, consumer: Consumer) -> None:
        try:
            self._partitions.close(consumer, STOP_SECONDS)
            self._queue.close()
            if self._leave:
                # Closing leaves a static member in the group; unsubscribing first takes it out.
                consumer.unsubscribe()
                consumer.poll(_POLL_SECONDS)
            consumer.close()
        except Exception:
            log.exception("%s: the consumer did not end cleanly", self._plan.group)
        self._assigned = False

    # -- called by librdkafka, within poll() and close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        every = self._with_companions(partitions)
        self._partitions.add(every)
        consumer.incremental_assign(every)
        consumer.resume(every)  # one that was paused when it was taken away
        self._assigned, self._obstacle = True, None
        log.info("%s: %d partitions more, now %s", self._plan.group, len(partitions), self.owned())

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        every = self._with_companions(partitions)
        self._partitions.revoke(consumer, every, REVOKE_SECONDS)
        consumer.incremental_unassign(every)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        every = self._with_companions(partitions)
        self._partitions.lose(every)
        self._assigned = bool(self._partitions)
        consumer.incremental_unassign(every)
        log.warning("%s: %d partitions were lost", self._plan.group, len(partitions))

    def _with_companions(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return them, and the partitions of other topics that go with them.

        The group does not subscribe to its retries, or to what operators ask: an assignor that counts partitions would
        give one worker the events and another those, which are empty. They go with the first topic, so that a key that
        is requeued waits behind the other records of its key.
        """
        leading = [each.partition for each in partitions if each.topic == self._plan.subscribed[0]]
        companions = [TopicPartition(topic, each) for topic in self._plan.companions for each in leading]
        return [*partitions, *companions]

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            log.warning("%s: Kafka is not reached: %s", self._plan.group, error.str())
        elif denials.is_denied(error):
            self._not_allowed(error)
        elif not error.fatal() and error.code() != KafkaError._FATAL:
            log.debug("%s: %s", self._plan.group, error.str())
        elif "group.instance.id" in error.str():  # its code says no more than that it is fatal
            self._fenced = duplicate_worker(self._worker, self._plan.group)
        else:
            self._fenced = f"the consumer is beyond repair: {error.str()}"

    def _not_allowed(self, error: KafkaError) -> None:
        """Log that an ACL is in the way, once for as long as it is."""
        said = self._partitions.said(error)
        if self._obstacle != said:
            log.warning("%s: %s", self._plan.group, said)
        self._obstacle = said
