"""Writes the word about one group: by one command at a time, since each fences the one before.

The records are transactional for this alone: a command that was overtaken can write nothing any more, so what a step
was decided by is still true when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from verbwire.errors import NotAuthorizedError, RebuildError, UnavailableError
from verbwire.generations.topic import generations_of, read_words
from verbwire.kafka import denials
from verbwire.kafka.librdkafka import LOGGED
from verbwire.names import Names
from verbwire.wire.records.rebuilds import Generations, RebuildWord, written

_SECONDS = 30.0
_TRANSACTION_MS = 10_000  # of a command that died in the middle: others wait as long for the end of the topic


class RebuildWriter:
    """Decides about the generations of one group, as declared; a context manager."""

    def __init__(self, kafka: Mapping[str, Any], names: Names, group: str) -> None:
        self._kafka, self._topic, self._group = kafka, names.rebuilds(), group
        self._id = f"{names.rebuilds()}-{group}"
        self._producer: Producer | None = None
        self._stamp = 0
        self._error: KafkaError | None = None

    def __enter__(self) -> Self:
        conf = {
            **LOGGED,
            "log_level": 2,
            **self._kafka,
            "transactional.id": self._id,
            "transaction.timeout.ms": _TRANSACTION_MS,
            "linger.ms": 0,
        }
        self._producer = Producer(conf)
        self._transact("begin", lambda producer: producer.init_transactions(_SECONDS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer = None

    def now(self) -> Generations:
        """Return what is in force: no other command has written since this one began, or this one cannot any more."""
        return generations_of(read_words(self._kafka, self._topic), self._group)

    def write(self, word: RebuildWord) -> int:
        """Write it; return the broker's time in milliseconds.

        :class:`RebuildError` where another command about this group has begun since.
        """
        value, self._error = written(word), None

        def transaction(producer: Producer) -> None:
            producer.begin_transaction()
            producer.produce(self._topic, value, self._group.encode(), partition=0, on_delivery=self._delivered)
            producer.commit_transaction(_SECONDS)

        self._transact("write", transaction)
        return self._stamp

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._error, self._stamp = error, message.timestamp()[1]

    def _transact(self, what: str, step: Any) -> None:
        assert self._producer is not None  # noqa: S101 (inside of the block)
        try:
            step(self._producer)
        except KafkaException as error:
            failure: KafkaError = self._error or error.args[0]
            if failure.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED):
                raise RebuildError(
                    f"another `verbwire rebuild {self._group}` has taken over: see what it did before going on"
                ) from error
            if denials.is_denied(failure):
                resource = f"TOPIC {self._topic} as TRANSACTIONAL_ID {self._id}"
                raise NotAuthorizedError(denials.denied("WRITE", resource)) from error
            raise UnavailableError(f"{self._topic}: could not {what}: {failure.str()}") from error
