"""Keeps a worker's two transactional producers for one group, which take transactions alternately.

Two hide the moment after a commit in which the coordinator still answers CONCURRENT_TRANSACTIONS. Their ids are the
same after a restart of the worker, so that `init_transactions` aborts what a killed predecessor left open.

A group at rest keeps the first alone: each has four threads and a dozen descriptors. The second is made beside the
work, once transactions follow each other again, and until it is there they take turns with themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from verbwire.engine.state.memory import KIB, MEMORY
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import EngineError, VerbwireError
from verbwire.idle import make_known
from verbwire.kafka import denials
from verbwire.kafka.call_timeout import TimeoutCaller
from verbwire.kafka.group_membership import duplicate_worker
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.recreatable import PATIENT
from verbwire.names import Names
from verbwire.wire.records.dead_letters import MAX_DEAD_LETTER

log = logging.getLogger(__name__)

SLOTS = (0, 1)
FIRST, SECOND = SLOTS
INIT_SECONDS = 30.0
_COMPANY_SECONDS = 1.0  # transactions that follow each other within are worth a second producer
BATCH = 1_000_000  # bytes of records that go to the broker together, at most
_SETTINGS: dict[str, Any] = {
    "partitioner": "murmur2_random",  # Java's and aiokafka's; librdkafka's own would scatter the keys
    "compression.type": "lz4",
    "linger.ms": 2,
    "message.max.bytes": MAX_DEAD_LETTER,  # a dead letter is larger than its record: place and reason are beside it
    "queue.buffering.max.messages": 1_000_000,
    "transaction.timeout.ms": 10_000,  # a dead worker's open transaction holds back every reader for so long
    # With the default 100 ms a one-record transaction takes 94 ms, with these 6 (confluent-kafka-python#967).
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 5,
    **PATIENT,  # nothing is lost: after a failure the engine connects again, from the bootstrap addresses
    "log_level": 0,  # errors are raised to the engine, which logs them; the worker logs outages
    **LOGGED,  # fatal errors are logged at every level
}


class ProducerPair:
    """Creates, keeps and gives up the two producers. After an unknown outcome a producer object is never used again.

    Used by the engine's thread and the committing thread; `let_go` may come from any.
    """

    def __init__(self, kafka: dict[str, str], names: Names, group: str, worker: str, limits: RecordLimits) -> None:
        self._kafka = kafka
        self._names = names
        self._group = group
        self._worker = worker
        self._limits = limits
        self._batch = self._batch_size()
        self._producers: dict[int, Producer] = {}
        self._begun: set[int] = set()  # slots whose transaction is begun, and nothing is in it
        self._in_use: set[int] = set()  # slots whose transaction is built or committed
        self._fenced_at: dict[int, float] = {}
        self._last = SECOND  # whose turn it was
        self._began_at = float("-inf")
        self._lock = threading.Lock()  # of what `let_go` touches
        self._caller = TimeoutCaller(f"second producer {group}")
        self._making: Future[None] | None = None  # the second one
        make_known(self)

    def ready(self) -> None:
        """Make both usable: this also aborts what this worker, or its predecessor of the same name, left open.

        Replaces them where a topic takes less by now: the broker refuses a batch that is too large as a whole.
        """
        self._wait_for_second()
        if self._batch != (batch := self._batch_size()):
            with self._lock:
                self._batch, self._producers, self._begun = batch, {}, set()
        self._began_at = time.monotonic()
        for slot in SLOTS:
            self.get(slot)

    def _batch_size(self) -> int:
        return min(BATCH, self._limits.smallest())

    def next_slot(self) -> int:
        """Return the slot of the next transaction: the other one, where it has a producer, or is worth one by now."""
        now, before = time.monotonic(), self._began_at
        self._began_at = now
        with self._lock:
            alone = SECOND not in self._producers
        if alone and self._making is not None and self._making.done():
            self._making = None  # it is there from the next time on, or it failed, and is tried again
        elif alone and self._making is None and now - before < _COMPANY_SECONDS:
            self._making = self._caller.begin(self._make_second)
        self._last = FIRST if alone or self._last == SECOND else SECOND
        return self._last

    def get(self, slot: int) -> Producer:
        """Return the producer of a slot, a new one where the last was given up."""
        if slot == SECOND:
            self._wait_for_second()
        with self._lock:
            producer = self._producers.get(slot)
        if producer is None:
            producer = self._create(self._worker, slot)
            with self._lock:
                self._producers[slot] = producer
        return producer

    def begin(self, slot: int) -> Producer:
        """Return the producer of a slot, in a transaction that nothing is in; :meth:`ended` says when it is over."""
        with self._lock:
            self._in_use.add(slot)
        try:
            producer = self.get(slot)
            if slot not in self._begun:
                producer.begin_transaction()
        except BaseException:
            self.ended(slot)
            raise
        self._begun.discard(slot)
        return producer

    def begin_next(self, slot: int) -> None:
        """Begin the next transaction of a slot, whose last is committed: nothing of it reaches the broker yet.

        confluent-kafka waits for a thread of librdkafka then, with Python's lock in its hand: 20 µs, on a busy machine
        milliseconds. Here nobody waits for it, and that thread is still awake.
        """
        try:
            self._producers[slot].begin_transaction()
        except KafkaException:  # it has met a fatal error meanwhile, and says so again to who needs it
            return
        self._begun.add(slot)

    def ended(self, slot: int) -> None:
        """Note that nothing uses the producer of a slot until its next transaction."""
        with self._lock:
            self._in_use.discard(slot)

    def let_go(self, idle_seconds: float) -> None:
        """Let go of the second producer where no transaction has been begun for as long."""
        with self._lock:
            if SECOND in self._in_use or time.monotonic() - self._began_at <= idle_seconds:
                return
            producer = self._producers.pop(SECOND, None)
            self._begun.discard(SECOND)
        del producer  # outside of the lock: to disconnect may take a while

    def close(self) -> None:
        """Let the thread end that made the second one."""
        self._caller.close()

    def _make_second(self) -> None:
        producer = self._create(self._worker, SECOND)
        with self._lock:
            self._producers[SECOND] = producer

    def _wait_for_second(self) -> None:
        """Wait for the one that is being made: of two of one name the later one fences the other."""
        making, self._making = self._making, None
        if making is not None:
            with suppress(VerbwireError):  # whoever needs it makes it, and is told
                making.result()

    def give_up(self, slot: int, fenced: bool = False) -> None:
        """Drop a producer whose state is unknown or fatal.

        Fenced means: the broker timed our transaction out, or a new owner aborted it, or another process uses our
        name. The first two pass; EngineError when it happens again at once, which is the third.
        """
        with self._lock:
            self._producers.pop(slot, None)
            self._begun.discard(slot)
        if not fenced:
            return
        before, now = self._fenced_at.get(slot, 0.0), time.monotonic()
        self._fenced_at[slot] = now
        if before and now - before < 5:
            raise EngineError(duplicate_worker(self._worker, self._group))

    def abort_transactions_of(self, workers: Iterable[str]) -> None:
        """Abort the transactions that dead workers left open, instead of waiting for the broker to do it."""
        for worker in workers:
            for slot in SLOTS:
                self._create(worker, slot, seconds=10.0)
            log.warning("%s: aborted what worker %s had left open", self._group, worker)

    def _create(self, worker: str, slot: int, seconds: float = INIT_SECONDS) -> Producer:
        name = self._names.transactional_id(self._group, worker, slot)
        own = {"queue.buffering.max.kbytes": MEMORY.produced // KIB, "transactional.id": name}
        producer = Producer({**_SETTINGS, **self._kafka, "batch.size": self._batch, **own})
        try:
            producer.init_transactions(seconds)
        except KafkaException as error:
            what, otherwise = f"TRANSACTIONAL_ID {name}", f"no transactional producer {name}"
            raise denials.unavailable(error.args[0], "WRITE", what, otherwise) from error
        return producer


@contextmanager
def fatal_errors() -> Iterator[None]:
    """Raise librdkafka's fatal errors as what they are, around poll() and flush().

    confluent-kafka raises them in the midst of the call; delivery reports served in the same call then turn them
    into SystemError ("returned a result with an exception set"), one around the other.
    """
    try:
        yield
    except SystemError as error:
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if isinstance(cause, KafkaException):
            raise cause from None
        raise


GROUP_FENCE = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID})
# Once fenced, produce() says _FATAL and no more.
PRODUCER_FENCE = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL})
