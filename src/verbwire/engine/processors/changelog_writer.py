"""Writes the rows that a batch changed to the changelog, the last of them with positions, time and facts as headers."""

from __future__ import annotations

from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import ROWS, EncodedRows, Topology
from verbwire.engine.transactions.sending import RowMessage
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import MessageError, UnencodableError
from verbwire.wire.records.changelog import INPUTS_HEADER, MARK, TIME_HEADER, write_inputs


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
            messages: list[RowMessage] = [
                {"key": key, "value": None if row is None else row[0]} for key, row in rows.items()
            ]
            last = messages.pop()
            transaction.produce_rows(self._topology.changelog, cache.partition, messages)
            self._write_last(transaction, cache, last["key"], last["value"])
        elif self._topology.writes_progress or cache.facts != cache.written_facts:
            self._write_last(transaction, cache, MARK, None)

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

    def _write_last(self, transaction: Transaction, cache: PartitionCache, key: bytes, value: bytes | None) -> None:
        headers = [(INPUTS_HEADER, write_inputs(self._positions(cache)))]
        changes = transaction.of(cache.partition)
        if cache.time is not None:
            headers.append((TIME_HEADER, b"%d" % cache.time))
            changes.time = cache.time
        headers += cache.facts.items()
        if cache.facts != cache.written_facts:  # else the copy has them already
            changes.facts = cache.written_facts = dict(cache.facts)
        position = transaction.note_position(cache.partition, ROWS)
        transaction.produce(self._topology.changelog, cache.partition, key, value, headers, on_delivery=position)
