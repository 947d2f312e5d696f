"""The ledger of outcomes, followed from its first record while commands are decided."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from verbwire.errors import UnavailableError
from verbwire.sdk.connection import Connection
from verbwire.wire.codec import Codec
from verbwire.wire.outcomes import OUTCOME, OutcomeRecord, OutcomeStatus
from verbwire.wire.registry import Registry

ACCEPTED = "accepted"
_BATCH = 5000
_POLL_SECONDS = 0.1
_METADATA_SECONDS = 10.0


class Ledger:
    """Counts outcomes by command id, so that an id with two outcomes would show. Reads committed records only.

    A context manager: inside it a thread counts, and its numbers may be read from any other.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._topic = connection.names.outcomes(namespace)
        codec = Codec(connection.catalog, Registry(connection.registry, connection.registry_conf), connection.names)
        self._decode = codec.topic_decoder(self._topic, "verbwire", {OUTCOME.name: OutcomeRecord}).decode
        self._consumer = Consumer(_properties(connection))
        self._unread: set[int] = set()
        self._read = threading.Event()
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="demo-ledger", daemon=True)
        self._ids: set[str] = set()
        self.outcomes: Counter[str] = Counter()  # by "accepted", a rejection's code, "failed" or "expired"
        self.commands: Counter[str] = Counter()  # commands that have an outcome, by short name
        self.events: Counter[str] = Counter()  # by the short name of the command that they came of
        self.ends: dict[tuple[str, int], int] = {}  # (topic, partition) -> behind the last event
        self.repeated = 0  # outcomes of a command that had one already

    def __enter__(self) -> Self:
        found = self._consumer.list_topics(self._topic, timeout=_METADATA_SECONDS).topics[self._topic]
        self._unread = set(found.partitions)
        self._consumer.assign([TopicPartition(self._topic, each, OFFSET_BEGINNING) for each in found.partitions])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    @property
    def count(self) -> int:
        """How many commands have an outcome."""
        return len(self._ids)

    def read_to_its_end(self) -> bool:
        """Whether everything that was there at the start has been counted."""
        return self._read.is_set()

    def require_alive(self) -> None:
        """Raise what has ended the counting, if anything has."""
        if self._error is not None:
            raise UnavailableError(f"{self._topic} cannot be read any more: {self._error}") from self._error

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for record in self._consumer.consume(_BATCH, _POLL_SECONDS):
                    self._take(record)
        except Exception as error:  # noqa: BLE001 (told to whoever waits for the numbers)
            self._error = error

    def _take(self, record: Any) -> None:
        error = record.error()
        if error is None:
            outcome = self._decode(record.value())
            assert isinstance(outcome, OutcomeRecord)  # noqa: S101 (the decoder knows no other class)
            self._count(outcome)
        elif error.code() == KafkaError._PARTITION_EOF:
            self._unread.discard(record.partition())
            if not self._unread:
                self._read.set()
        else:
            raise KafkaException(error)

    def _count(self, record: OutcomeRecord) -> None:
        if record.command_id in self._ids:
            self.repeated += 1
            return
        short = record.command.rpartition(".")[2]
        self.outcomes[_word(record)] += 1
        self.commands[short] += 1
        self.events[short] += len(record.events)
        for event in record.events:
            place = (event.topic, event.partition)
            self.ends[place] = max(self.ends.get(place, 0), event.offset + 1)
        self._ids.add(record.command_id)


def _word(record: OutcomeRecord) -> str:
    if record.status is OutcomeStatus.REJECTED:
        return record.code or "rejected"
    return ACCEPTED if record.status is OutcomeStatus.ACCEPTED else record.status.lower()


def _properties(connection: Connection) -> dict[str, Any]:
    return {
        **connection.kafka,
        "bootstrap.servers": connection.bootstrap,
        "group.id": "verbwire-demo",  # librdkafka wants one; nothing is ever committed for it
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,
        "log_level": 3,
    }
