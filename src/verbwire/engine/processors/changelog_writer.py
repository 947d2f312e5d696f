"""Writes the rows that a batch changed to the changelog, the last of them with positions, time and facts as headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import ROWS, EncodedRows, Topology
from verbwire.engine.transactions.record_limits import Headers
from verbwire.engine.transactions.sending import RowMessage
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import MessageError, UnencodableError
from verbwire.wire.records.changelog import INPUTS_HEADER, MARK, TIME_HEADER, write_inputs

Row: TypeAlias = tuple[Any, ...]
"""As the copy keeps it: the value, columns."""


class ChangelogWriter:
    """Writes for one group.

    `row_checks` are the partitions in which the record is looked for whose row cannot be encoded (see `Transaction`).
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.row_checks: set[int] = set()

    def write(self, transaction: Transaction, cache: PartitionCache) -> None:
        """Add the rows that changed, each once; the last one carries the positions of the inputs."""
        if cache.dirty:
            rows = self._encoded(cache)
            transaction.of(cache.partition).rows.update(rows)
            *others, (key, last) = rows.items()
            self._write_rows(transaction, cache.partition, others)
            self._write_last(transaction, cache, key, last, self._beside(last))
        elif self._topology.writes_progress or cache.facts != cache.written_facts:
            self._write_last(transaction, cache, MARK, None, [])

    def _write_rows(self, transaction: Transaction, partition: int, rows: Sequence[tuple[bytes, Row | None]]) -> None:
        topic = self._topology.changelog
        if self._topology.beside is not None:
            for key, row in rows:
                transaction.produce(topic, partition, key, None if row is None else row[0], self._beside(row))
            return
        messages: list[RowMessage] = [{"key": key, "value": None if row is None else row[0]} for key, row in rows]
        transaction.produce_rows(topic, partition, messages)

    def _beside(self, row: Row | None) -> Headers:
        """Return the header that stands with a row, where there is one; the copy has it in its last column."""
        beside = self._topology.beside
        return [] if row is None or beside is None else [(beside.header, row[-1])]

    def _encoded(self, cache: PartitionCache) -> EncodedRows:
        try:
            return self._topology.encode(cache.dirty)
        except MessageError as error:
            # Which record is to blame is not known here: once more, encoding each row at once.
            self.row_checks.add(cache.partition)
            raise UnencodableError(f"partition {cache.partition} starts over, row by row: {error}") from error

    def _positions(self, cache: PartitionCache) -> dict[str, int]:
        """Return how far the inputs are; of requests only once there was one."""
        requests = self._topology.requests
        if requests is None or cache.next[requests.topic]:
            return cache.next
        return {topic: offset for topic, offset in cache.next.items() if topic != requests.topic}

    def _write_last(
        self, transaction: Transaction, cache: PartitionCache, key: bytes, row: Row | None, beside: Headers
    ) -> None:
        headers = [*beside, (INPUTS_HEADER, write_inputs(self._positions(cache)))]
        changes = transaction.of(cache.partition)
        if cache.time is not None:
            headers.append((TIME_HEADER, b"%d" % cache.time))
            changes.time = cache.time
        headers += cache.facts.items()
        if cache.facts != cache.written_facts:  # else the copy has them already
            changes.facts = cache.written_facts = dict(cache.facts)
        position, value = transaction.note_position(cache.partition, ROWS), None if row is None else row[0]
        transaction.produce(self._topology.changelog, cache.partition, key, value, headers, on_delivery=position)
