"""One group at work: a consumer on a thread of its own, which never stops polling, and threads that run handlers."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from verbwire.errors import Requeue, UndecodableError
from verbwire.kafka import denials
from verbwire.kafka.group_membership import (
    HEARTBEAT_SECONDS,
    NOT_ASSIGNED,
    REVOKE_SECONDS,
    SESSION_SECONDS,
    duplicate_worker,
)
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.readers import consumed
from verbwire.kafka.recreatable import PATIENT
from verbwire.subscribers.attempt import Done, Raised, RecordAttempt, Unavailable
from verbwire.subscribers.key_queues import KeyedWorkQueue, QueuedRecord
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.wire.records.dead_letters import read_letter

log = logging.getLogger(__name__)

STOP_SECONDS = 6.0  # for them when the worker ends; with the last commit, less than the worker itself waits
_LEAVE_SECONDS = 2.5  # for the last commit; librdkafka itself would wait for a silent broker without end
_POLL_SECONDS = 0.1
_PAUSED_POLL_SECONDS = 0.01  # a paused partition is to be taken up again soon
_BATCH = 64  # records between two looks at what is in hand
_IN_HAND_BYTES = 4 * 1024 * 1024  # of one partition
_COMMIT_SECONDS = 0.5
_OBSTRUCTED_SECONDS = 10.0  # between two attempts at most, while broker or registry are in the way
_REGISTRY_SECONDS = 10.0  # an attempt takes while the registry is silent
_RETRY_SECONDS = 300.0  # likewise, after a handler has raised
# So often in such a time the group may put a consumer out for good before the process is given up. Once is nothing: a
# join that was repeated, because a broker that stalled had not answered it, is put out by its own repetition.
_PATIENCE = 3
_PATIENCE_SECONDS = 60.0

_SETTINGS: Mapping[str, Any] = {
    "session.timeout.ms": int(SESSION_SECONDS * 1000),
    "heartbeat.interval.ms": int(HEARTBEAT_SECONDS * 1000),
    "fetch.wait.max.ms": 100,  # a partition that is taken up waits for the fetch under way, of others that are empty
    "queued.min.messages": 1_000,
    "fetch.queue.backoff.ms": 20,  # by default a partition whose queue was full is let alone for a second
    "queued.max.messages.kbytes": 16_384,
    **PATIENT,
    **LOGGED,
    "log_level": 2,  # what does not connect is told by our own lines
}
_MUSTS: Mapping[str, Any] = {
    "partition.assignment.strategy": "cooperative-sticky",
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "allow.auto.create.topics": False,
}


class SubscriberGroup:
    """Reads a group's topics and has each record handled at least once, one key in order, several keys at a time.

    The worker's name is its static membership: one that is started again within the session, killed or not, goes on
    with its own partitions at once, and nobody else has to pause. Only `stop(leave=True)` leaves the group.
    """

    def __init__(self, handling: RecordAttempt, kafka: Mapping[str, str], worker: str) -> None:
        self._handling = handling
        self._plan = handling.plan
        self._worker = worker
        self._lanes = KeyedWorkQueue()
        self._shares: dict[tuple[str, int], PartitionInFlight] = {}
        self._paused: set[PartitionInFlight] = set()
        self._assigned = False
        self._waits_until = 0.0  # for the registry, as far as we know
        self._dead: str | None = None
        self._obstacle: str | None = None  # which ACL is in the way
        self._put_out: str | None = None  # why the present consumer is beyond repair
        self._setbacks: list[float] = []
        self._stopping = threading.Event()
        self._leave = False
        self._conf = {
            **_SETTINGS,
            **kafka,
            **_MUSTS,
            "group.id": self._plan.group,
            "group.instance.id": worker,
            "on_commit": self._on_commit,
            "error_cb": self._on_error,
        }
        self._consumer: Consumer | None = None
        self._thread = threading.Thread(target=self._run, name=f"effects {self._plan.group}", daemon=True)

    def start(self) -> None:
        """Join the group and begin."""
        self._consumer = self._join()
        for number in range(self._plan.declared.concurrency):
            # Daemons: a handler that does not return must not keep the process from ending.
            threading.Thread(target=self._work, name=f"{self._plan.group} {number}", daemon=True).start()
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
        return self._dead

    def not_ready(self) -> list[str]:
        """Return what keeps this worker from doing its part."""
        return [] if self._assigned else [self._obstacle or NOT_ASSIGNED]

    def waits_for_registry(self) -> bool:
        """Whether records could not be read lately because the schema registry does not know what it should."""
        return time.monotonic() < self._waits_until

    def owned(self) -> tuple[int, ...]:
        """Return the partitions of its sources that it has."""
        return tuple(sorted({partition for topic, partition in list(self._shares) if topic != self._plan.retries}))

    # -- the handlers' threads

    def _work(self) -> None:
        while (task := self._lanes.take()) is not None:
            try:
                self._attempt(task)
            except Requeue:
                # Asked for it: left to the next owner. Of its own accord: later, and it does not count.
                self._lanes.again(task, self._delay(task.failures))
            except BaseException as error:  # ours: the group would stand still without a word
                log.exception("%s: an attempt broke in a way that is not foreseen", self._plan.group)
                self._dead = f"an attempt broke in a way that is not foreseen: {error!r}"
                raise

    def _attempt(self, task: QueuedRecord) -> None:
        result = self._handling.attempt(task)
        if isinstance(result, Raised):
            task.failures += 1
            if task.failures <= self._plan.declared.retries or task.share.stopping:
                # What it raised is in the log already, as often as somebody wants to read it.
                log.debug("%s: attempt %d at %s: %s", self._plan.group, task.failures, task.place, result.detail)
                self._handling.metrics.retried("failed")
                return self._lanes.again(task, self._delay(task.failures - 1))
            result = self._handling.dead_letter(task, "failed", result.detail, result.traceback)
        if isinstance(result, Unavailable):
            task.delays += 1
            log.warning("%s: %s has to wait: %s", self._plan.group, task.place, result.why)
            self._handling.metrics.retried("obstructed")
            seconds = min(0.5 * 2 ** min(task.delays, 10), _OBSTRUCTED_SECONDS)
            if result.registry:
                self._waits_until = time.monotonic() + seconds + _REGISTRY_SECONDS
            return self._lanes.again(task, seconds)
        assert isinstance(result, Done)  # noqa: S101 (there are three)
        self._handling.metrics.handled()
        return self._lanes.done(task)

    def _delay(self, failures: int) -> float:
        """Exponential, with some chance in it, so that what failed together is not tried together again."""
        seconds: float = self._plan.declared.backoff.total_seconds() * 2.0 ** min(failures, 30)
        return min(seconds, _RETRY_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)

    # -- the consumer's thread

    def _run(self) -> None:
        assert self._consumer is not None  # noqa: S101 (made by start)
        try:
            commit_at = 0.0
            while not self._stopping.is_set() and self._dead is None:
                if self._put_out is not None:
                    self._consumer = self._begin_anew(self._consumer, self._put_out)
                self._poll(self._consumer)
                self._throttle(self._consumer)
                if (now := time.monotonic()) >= commit_at:
                    self._commit(asynchronous=True)
                    self._measure(self._consumer)
                    commit_at = now + _COMMIT_SECONDS
        except Exception as error:
            log.exception("%s: the consumer broke", self._plan.group)
            self._dead = self._dead or f"the consumer broke: {error!r}"
        finally:
            self._end(self._consumer)

    def _join(self) -> Consumer:
        consumer = Consumer(self._conf)
        consumer.subscribe(
            [*self._plan.decoders], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return consumer

    def _begin_anew(self, consumer: Consumer, why: str) -> Consumer:
        """Let go of everything and join as a new member; when that happens again and again, the process is given up."""
        now = time.monotonic()
        self._setbacks = [*(at for at in self._setbacks if now - at < _PATIENCE_SECONDS), now]
        if len(self._setbacks) > _PATIENCE:
            log.error("%s: %s", self._plan.group, why)
            self._dead = why
            return consumer
        log.warning("%s: joining anew: %s", self._plan.group, why)
        self._lose([*self._shares.values()])
        consumer.close()
        self._put_out = None
        return self._join()

    def _poll(self, consumer: Consumer) -> None:
        # One by one, never consume(): a message that poll() returns is of a partition that is ours at that moment,
        # in a batch there may be some that were taken away, and given back, while it was filled.
        message = consumer.poll(_PAUSED_POLL_SECONDS if self._paused else _POLL_SECONDS)
        for _ in range(_BATCH):
            if message is None:
                return
            if (error := message.error()) is not None:
                self._on_error(error)
            else:
                self._take(message)
            message = consumer.poll(0)
        if message is not None:
            self._on_error(message.error()) if message.error() else self._take(message)

    def _take(self, message: Message) -> None:
        record = consumed(message)
        share, offset = self._shares[record.topic, record.partition], record.offset
        if record.topic != self._plan.retries:
            return self._lanes.add(QueuedRecord(record, offset, share))
        try:
            letter = read_letter(record.key, record.value, record.headers)
        except UndecodableError:
            letter = None  # handled as what it is: a record of no topic of this group
        return self._lanes.add(
            QueuedRecord(letter.original if letter else record, offset, share, again=letter is not None)
        )

    def _throttle(self, consumer: Consumer) -> None:
        """Pause partitions with too much in hand, take up those that have come down to the half of it."""
        full = [each for each in self._shares.values() if each not in self._paused and self._fullness(each) >= 1]
        drained = [each for each in self._paused if self._fullness(each) <= 0.5]
        if full:
            consumer.pause(_partitions(full))
            self._paused.update(full)
        if drained:
            consumer.resume(_partitions(drained))
            self._paused.difference_update(drained)

    def _fullness(self, share: PartitionInFlight) -> float:
        return max(share.records / self._plan.in_hand, share.bytes / _IN_HAND_BYTES)

    def _commit(self, asynchronous: bool, shares: Collection[PartitionInFlight] | None = None) -> None:
        assert self._consumer is not None  # noqa: S101 (made by start)
        offsets = self._lanes.committable(self._shares.values() if shares is None else shares)
        if not offsets:
            return
        for share, offset in offsets.items():
            share.committed = offset
        positions = [TopicPartition(share.topic, share.partition, offset) for share, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=positions, asynchronous=asynchronous)
        except KafkaException as error:
            self._on_commit(error.args[0], positions)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            if (error or each.error) and (share := self._shares.get((each.topic, each.partition))):
                share.committed = None  # once more, with the next ones
        if error is not None:
            log.warning("%s: offsets were not committed: %s", self._plan.group, self._said(error))

    def _measure(self, consumer: Consumer) -> None:
        lag = 0
        for share in self._shares.values():
            place = TopicPartition(share.topic, share.partition)
            _, end = consumer.get_watermark_offsets(place, cached=True)
            if share.committed is not None and end > share.committed:
                lag += end - share.committed
        self._handling.metrics.waiting(self._lanes.in_hand(), lag)

    def _end(self, consumer: Consumer) -> None:
        try:
            self._release(list(self._shares.values()), STOP_SECONDS)
            self._lanes.close()
            if self._leave:
                # Closing leaves a static member in the group; unsubscribing first takes it out.
                consumer.unsubscribe()
                consumer.poll(_POLL_SECONDS)
            consumer.close()
        except Exception:
            log.exception("%s: the consumer did not end cleanly", self._plan.group)
        self._assigned = False

    def _release(self, shares: list[PartitionInFlight], seconds: float) -> None:
        """Let partitions go: what runs may finish within these seconds, what is done is committed."""
        self._lanes.take_back(shares, seconds)
        self._commit(asynchronous=False, shares=shares)
        self._forget(shares)

    def _lose(self, shares: list[PartitionInFlight]) -> None:
        """Let partitions go that are no longer ours: nothing is committed for them, and nothing waited for."""
        self._lanes.take_back(shares, 0)
        self._forget(shares)
        self._assigned = bool(self._shares)

    def _forget(self, shares: Collection[PartitionInFlight]) -> None:
        self._paused.difference_update(shares)
        for share in shares:
            self._shares.pop((share.topic, share.partition), None)

    # -- called by librdkafka, within poll() and close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        every = self._with_retries(partitions)
        for each in every:
            self._shares[each.topic, each.partition] = PartitionInFlight(each.topic, each.partition)
        consumer.incremental_assign(every)
        consumer.resume(every)  # one that was paused when it was taken away
        self._assigned, self._obstacle = True, None
        log.info("%s: %d partitions more, now %s", self._plan.group, len(partitions), self.owned())

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        every = self._with_retries(partitions)
        self._release(self._of(every), REVOKE_SECONDS)
        consumer.incremental_unassign(every)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Somebody else has them.
        every = self._with_retries(partitions)
        self._lose(self._of(every))
        consumer.incremental_unassign(every)
        log.warning("%s: %d partitions were lost", self._plan.group, len(partitions))

    def _with_retries(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return them, and the retries that go with them.

        The group does not subscribe to its retries: an assignor that counts partitions would give one worker the
        events and another the retries, which are empty. They go with the first topic, so that a key that is handed back
        waits in its lane like any other.
        """
        first = next(iter(self._plan.decoders))
        retries = [TopicPartition(self._plan.retries, each.partition) for each in partitions if each.topic == first]
        return [*partitions, *retries]

    def _of(self, partitions: list[TopicPartition]) -> list[PartitionInFlight]:
        found = (self._shares.get((each.topic, each.partition)) for each in partitions)
        return [share for share in found if share is not None]

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            log.warning("%s: Kafka is not reached: %s", self._plan.group, error.str())
            return
        if denials.is_denied(error):
            self._not_allowed(error)
            return
        if not error.fatal() and error.code() != KafkaError._FATAL:
            log.debug("%s: %s", self._plan.group, error.str())
            return
        if "group.instance.id" in error.str():  # its code says no more than that it is fatal
            self._put_out = duplicate_worker(self._worker, self._plan.group)
        else:
            self._put_out = f"the consumer is beyond repair: {error.str()}"

    def _not_allowed(self, error: KafkaError) -> None:
        """Tell that an ACL is in the way, once for as long as it is."""
        said = self._said(error)
        if self._obstacle != said:
            log.warning("%s: %s", self._plan.group, said)
        self._obstacle = said

    def _said(self, error: KafkaError) -> str:
        group = error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
        what = f"GROUP {self._plan.group}" if group else f"TOPIC {', '.join(self._plan.topics)}"
        return denials.said(error, "READ", what)


def _partitions(shares: Collection[PartitionInFlight]) -> list[TopicPartition]:
    return [TopicPartition(share.topic, share.partition) for share in shares]
