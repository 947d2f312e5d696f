"""The rows of one partition of a generation, read from its changelog into a file: there may be more than memory has."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from verbwire.engine.exchange.difference import KeyedRow
from verbwire.errors import UnavailableError
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.readers import first_record, read_to_end, reader_properties
from verbwire.names import RESTORE_READER
from verbwire.wire.records.changelog import INPUTS_HEADER, MARK, read_inputs

_RUN = 20_000


class GenerationRows:
    """Follows a changelog each time it is read; used by one thread at a time, and closed by the last."""

    def __init__(self, kafka: dict[str, str], topic: str, partition: int, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over  # whether nobody wants them any more
        self._kafka, self._topic, self._partition = kafka, topic, partition
        self._cluster = ClusterOffsets(kafka, RESTORE_READER)
        self._next = OFFSET_BEGINNING
        self.inputs: dict[str, int] = {}  # how far its inputs are, as the changelog says
        self._folder = tempfile.TemporaryDirectory(prefix="verbwire-exchange-")
        path = Path(self._folder.name) / "rows.db"
        self._rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._rows.execute("pragma journal_mode = off")
        self._rows.execute("pragma synchronous = off")
        self._rows.execute("create table rows (key blob primary key, value blob not null) without rowid")

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()
        self._folder.cleanup()

    def read(self) -> None:
        """Take what the changelog has more than the last time, as far as it is committed now.

        UnavailableError where it cannot be read, or nobody wants it any more.
        """
        properties = reader_properties(self._kafka, RESTORE_READER, fetch_wait_max_ms=20)
        place = self._topic, self._partition
        ends = self._cluster.stable_ends([place])  # it is written to meanwhile, without a rest perhaps
        with closing(Consumer(properties)) as consumer:
            messages = read_to_end(consumer, [TopicPartition(*place, self._next)], ends=ends)
            while run := [*islice(messages, _RUN)]:
                if self._is_over():
                    raise UnavailableError(f"the rows of {self._topic} are not wanted any more")
                self._take(run)

    def page(self, after: bytes, limit: int) -> list[KeyedRow]:
        """Return up to so many rows behind a key, in order."""
        query = "select key, value from rows where key > ? order by key limit ?"
        return self._rows.execute(query, (after, limit)).fetchall()

    def _take(self, messages: list[Message]) -> None:
        self._rows.execute("begin")
        for key, value in self._changes(messages):
            if value is None:
                self._rows.execute("delete from rows where key = ?", (key,))
            else:
                self._rows.execute("insert or replace into rows values (?, ?)", (key, value))
        self._rows.execute("commit")
        self._next = (messages[-1].offset() or 0) + 1

    def _changes(self, messages: list[Message]) -> Iterator[tuple[bytes, bytes | None]]:
        for message in messages:
            for name, value in message.headers() or ():
                if name == INPUTS_HEADER and isinstance(value, bytes):
                    self.inputs |= read_inputs(value)
            if (key := message.key() or MARK) != MARK:
                yield key, message.value()


def has_records(kafka: Mapping[str, Any], place: tuple[str, int], start: int) -> bool:
    """Whether a partition has a committed record from this offset on, and not only markers of transactions."""
    properties = reader_properties(kafka, RESTORE_READER, fetch_wait_max_ms=20, fetch_message_max_bytes=4096)
    return first_record(properties, place, start) is not None
