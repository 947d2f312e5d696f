"""Follows the outcome logs of a project from now on: commands that were refused, or have failed or expired."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from verbwire.client.base.connection import Connection
from verbwire.dev.board import RejectionView
from verbwire.errors import VerbwireError
from verbwire.kafka.readers import reader_properties
from verbwire.messages import Kind
from verbwire.records import OutcomeRecord, OutcomeStatus, RecordReader
from verbwire.settings import Settings

log = logging.getLogger(__name__)

_BATCH, _POLL_SECONDS, _METADATA_SECONDS = 500, 0.2, 10.0


class Rejections:
    """Calls `told` with each, from a thread of its own; a context manager.

    What cannot be read is said once in the log, and ends it: it is there to be looked at, nothing depends on it.
    """

    def __init__(self, settings: Settings, told: Callable[[RejectionView], None]) -> None:
        self._settings = settings
        self._told = told
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dev-rejections", daemon=True)

    def __enter__(self) -> Rejections:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._follow(Connection.of_project(self._settings))
        except (VerbwireError, KafkaException) as error:
            log.warning("rejections are not shown any more: %s", error)

    def _follow(self, connection: Connection) -> None:
        reader, consumer = RecordReader(connection), Consumer(_properties(connection))
        spaces = {each.namespace for each in connection.catalog if each.kind is Kind.COMMAND}
        decoders = {connection.names.outcomes(each): reader.outcomes(each) for each in spaces}
        try:
            consumer.assign(
                [TopicPartition(*each, OFFSET_END) for topic in decoders for each in _places(consumer, topic)]
            )
            while not self._stopping.is_set():
                for record in consumer.consume(_BATCH, _POLL_SECONDS):
                    if record.error() is None:
                        self._tell(record, decoders[record.topic()](record.value()))
        finally:
            consumer.close()
            reader.close()

    def _tell(self, record: Any, outcome: object) -> None:
        if isinstance(outcome, OutcomeRecord) and outcome.status is not OutcomeStatus.ACCEPTED:
            self._told(_view(record, outcome))


def _places(consumer: Consumer, topic: str) -> list[tuple[str, int]]:
    return [(topic, each) for each in consumer.list_topics(topic, timeout=_METADATA_SECONDS).topics[topic].partitions]


def _view(record: Any, outcome: OutcomeRecord) -> RejectionView:
    return RejectionView(
        time=datetime.fromtimestamp(record.timestamp()[1] / 1000).astimezone().strftime("%H:%M:%S"),
        command=outcome.command.rpartition(".")[2],
        key=(record.key() or b"").decode("utf-8", "backslashreplace"),
        code=outcome.code or outcome.status.lower(),
        reason=outcome.reason or "",
    )


def _properties(connection: Connection) -> dict[str, Any]:
    kafka = {**connection.kafka, "bootstrap.servers": connection.bootstrap, "log_level": 2}
    # From now on, also where a position is gone; the end of a partition is nothing to tell.
    return reader_properties(kafka, "verbwire.dev", auto_offset_reset="latest", enable_partition_eof=False)
