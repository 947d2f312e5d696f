"""Follows the outcome logs of a project from now on: commands that were refused, or have failed or expired."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from verbwire.client.base.connection import Connection
from verbwire.dev.board import RejectionView
from verbwire.errors import UnavailableError, VerbwireError
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.readers import reader_properties
from verbwire.messages import Kind
from verbwire.records import OutcomeRecord, OutcomeStatus, RecordReader
from verbwire.settings import Settings

log = logging.getLogger(__name__)

_BATCH, _POLL_SECONDS, _BEGIN_SECONDS = 500, 0.2, 30.0
_READER = "verbwire.dev"


class Rejections:
    """Calls `told` with each, from a thread of its own; a context manager, entered when it is known where to begin.

    What cannot be read is said once in the log, and ends it: it is there to be looked at, nothing depends on it.
    """

    def __init__(self, settings: Settings, told: Callable[[RejectionView], None]) -> None:
        self._settings = settings
        self._told = told
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dev-rejections", daemon=True)

    def __enter__(self) -> Rejections:
        self._thread.start()
        self._begun.wait(_BEGIN_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._follow(Connection.of_project(self._settings))
        except (VerbwireError, KafkaException) as error:
            log.warning("rejections are not shown any more: %s", error)
        finally:
            self._begun.set()

    def _follow(self, connection: Connection) -> None:
        reader, consumer = RecordReader(connection), Consumer(_properties(connection))
        spaces = {each.namespace for each in connection.catalog if each.kind is Kind.COMMAND}
        decoders = {connection.names.outcomes(each): reader.outcomes(each) for each in spaces}
        try:
            consumer.assign(self._ends(connection, [*decoders]))
            self._begun.set()
            while not self._stopping.is_set():
                for record in consumer.consume(_BATCH, _POLL_SECONDS):
                    if record.error() is None:
                        self._tell(record, decoders[record.topic()](record.value()))
        finally:
            consumer.close()
            reader.close()

    def _ends(self, connection: Connection, topics: list[str]) -> list[TopicPartition]:
        """Return where these end now; of topics that were just made a broker does not know that for a moment.

        `OFFSET_END` would be looked up later, behind a rejection that comes at once.
        """
        cluster, deadline = ClusterOffsets(_kafka(connection), _READER), time.monotonic() + _BEGIN_SECONDS
        while True:
            try:
                return _places(cluster, topics)
            except UnavailableError:
                if time.monotonic() > deadline or self._stopping.wait(_POLL_SECONDS):
                    raise

    def _tell(self, record: Any, outcome: object) -> None:
        if isinstance(outcome, OutcomeRecord) and outcome.status is not OutcomeStatus.ACCEPTED:
            self._told(_view(record, outcome))


def _places(cluster: ClusterOffsets, topics: list[str]) -> list[TopicPartition]:
    places = [(name, each) for name, topic in cluster.topics(topics).items() for each in range(topic.partitions)]
    return [TopicPartition(*place, end) for place, end in cluster.stable_ends(places).items()]


def _view(record: Any, outcome: OutcomeRecord) -> RejectionView:
    return RejectionView(
        time=datetime.fromtimestamp(record.timestamp()[1] / 1000).astimezone().strftime("%H:%M:%S"),
        command=outcome.command.rpartition(".")[2],
        key=(record.key() or b"").decode("utf-8", "backslashreplace"),
        code=outcome.code or outcome.status.lower(),
        reason=outcome.reason or "",
    )


def _properties(connection: Connection) -> dict[str, Any]:
    # From now on, also where a position is gone; the end of a partition is nothing to tell.
    return reader_properties(_kafka(connection), _READER, auto_offset_reset="latest", enable_partition_eof=False)


def _kafka(connection: Connection) -> dict[str, Any]:
    return {**connection.librdkafka, "log_level": 2}
