"""A worker's two transactional producers for one group, used in turn.

Two hide the moment after a commit in which the coordinator still answers CONCURRENT_TRANSACTIONS. Their ids are the
same after a restart of the worker, so that `init_transactions` aborts what a killed predecessor left open.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from verbwire.engine.state.memory import KIB, MEMORY
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import EngineError
from verbwire.kafka import denials
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.recreatable import PATIENT
from verbwire.names import Names
from verbwire.wire.topics import MAX_LETTER

log = logging.getLogger(__name__)

TURNS = (0, 1)
INIT_SECONDS = 30.0
BATCH = 1_000_000  # bytes of records that go to the broker together, at most
_SETTINGS: dict[str, Any] = {
    "partitioner": "murmur2_random",  # Java's and aiokafka's; librdkafka's own would scatter the keys
    "compression.type": "lz4",
    "linger.ms": 2,
    "message.max.bytes": MAX_LETTER,  # a dead letter is larger than its record: place and reason are beside it
    "queue.buffering.max.messages": 1_000_000,
    "transaction.timeout.ms": 10_000,  # a dead worker's open transaction holds back every reader for so long
    # With the default 100 ms a one-record transaction takes 94 ms, with these 6 (confluent-kafka-python#967).
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 5,
    **PATIENT,  # nothing is lost: after a failure the engine connects anew, from the bootstrap
    "log_level": 0,  # whatever it says is raised to us, and told; of an outage by the worker
    **LOGGED,  # what is fatal it says at every level
}


class ProducerPair:
    """Creates, keeps and gives up the two producers. After an unknown outcome a producer object is never used again."""

    def __init__(self, kafka: dict[str, str], names: Names, group: str, worker: str, limits: RecordLimits) -> None:
        self._kafka = kafka
        self._names = names
        self._group = group
        self._worker = worker
        self._limits = limits
        self._batch = self._batch_size()
        self._producers: dict[int, Producer] = {}
        self._fenced_at: dict[int, float] = {}

    def ready(self) -> None:
        """Make both usable: this also aborts what this worker, or its predecessor of the same name, left open.

        Anew where a topic takes less by now: the broker refuses a batch that is too large, and all of its records.
        """
        if self._batch != (batch := self._batch_size()):
            self._batch, self._producers = batch, {}
        for turn in TURNS:
            self.get(turn)

    def _batch_size(self) -> int:
        return min(BATCH, self._limits.smallest())

    def get(self, turn: int) -> Producer:
        """Return the producer whose turn it is, a new one where the last was given up."""
        if turn not in self._producers:
            self._producers[turn] = self._create(self._worker, turn)
        return self._producers[turn]

    def give_up(self, turn: int, fenced: bool = False) -> None:
        """Drop a producer whose state is unknown or fatal.

        Fenced means: the broker timed our transaction out, or a new owner cleared it away, or somebody else uses our
        name. The first two pass; EngineError when it happens again at once, which is the third.
        """
        self._producers.pop(turn, None)
        if not fenced:
            return
        before, now = self._fenced_at.get(turn, 0.0), time.monotonic()
        self._fenced_at[turn] = now
        if before and now - before < 5:
            raise namesake(self._worker, self._group)

    def abort_transactions_of(self, workers: Iterable[str]) -> None:
        """Abort the transactions that dead workers left open, instead of waiting for the broker to do it."""
        for worker in workers:
            for turn in TURNS:
                self._create(worker, turn, seconds=10.0)
            log.warning("%s: aborted what worker %s had left open", self._group, worker)

    def _create(self, worker: str, turn: int, seconds: float = INIT_SECONDS) -> Producer:
        name = self._names.transactional_id(self._group, worker, turn)
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


def namesake(worker: str, group: str) -> EngineError:
    """Return what is said where two processes fence each other by turns."""
    return EngineError(
        f"another process uses the worker name {worker!r} in group {group}: "
        "give each worker a name of its own (VERBWIRE_WORKER)"
    )


GROUP_FENCE = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID})
# Once fenced, produce() says _FATAL and no more.
PRODUCER_FENCE = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL})
