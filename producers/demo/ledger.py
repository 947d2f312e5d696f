"""The ledgers of outcomes, followed from their first records while commands are decided."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from verbwire.client import Connection
from verbwire.errors import UnavailableError
from verbwire.records import OutcomeRecord, OutcomeStatus, RecordReader

ACCEPTED = "accepted"
_BATCH = 5000
_POLL_SECONDS = 0.1
_METADATA_SECONDS = 10.0


class Ledger:
    """Counts outcomes by command id, so that an id with two outcomes would show. Reads committed records only.

    A context manager: inside it a thread counts, and its numbers may be read from any other.
    """

    def __init__(self, connection: Connection, contexts: Iterable[str]) -> None:
        reader, names = RecordReader(connection), connection.names
        self._decoders = {names.outcomes(context): reader.outcomes(context) for context in contexts}
        self._consumer = Consumer(_properties(connection))
        self._unread: set[tuple[str, int]] = set()
        self._read = threading.Event()
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="demo-ledger", daemon=True)
        self._ids: set[tuple[str, str]] = set()
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)  # by the command's short name: "accepted", ...
        self.events: Counter[str] = Counter()  # by the short name of the command that they came of
        self.repeated = 0  # outcomes of a command that had one already

    def __enter__(self) -> Self:
        for topic in self._decoders:
            found = self._consumer.list_topics(topic, timeout=_METADATA_SECONDS).topics[topic]
            self._unread |= {(topic, partition) for partition in found.partitions}
        self._consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in self._unread])
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

    @property
    def words(self) -> Counter[str]:
        """How many outcomes there are of each sort, whatever the command: "accepted", a rejection's code, ..."""
        total: Counter[str] = Counter()
        for words in list(self.outcomes.values()):
            total.update(words)
        return total

    def read_to_its_end(self) -> bool:
        """Whether everything that was there at the start has been counted."""
        return self._read.is_set()

    def require_alive(self) -> None:
        """Raise what has ended the counting, if anything has."""
        if self._error is not None:
            raise UnavailableError(f"the ledgers cannot be read any more: {self._error}") from self._error

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
            outcome = self._decoders[record.topic()](record.value())
            assert isinstance(outcome, OutcomeRecord)  # noqa: S101 (the decoder knows no other class)
            self._count(outcome)
        elif error.code() == KafkaError._PARTITION_EOF:
            self._unread.discard((record.topic(), record.partition()))
            if not self._unread:
                self._read.set()
        else:
            raise KafkaException(error)

    def _count(self, record: OutcomeRecord) -> None:
        known = (record.command, record.command_id)
        if known in self._ids:
            self.repeated += 1
            return
        short = record.command.rpartition(".")[2]
        self.outcomes[short][_word(record)] += 1
        self.events[short] += len(record.events)
        self._ids.add(known)


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
