"""Writes the rows that a batch changed to the changelog, the last of them with positions, time and facts as headers."""

from __future__ import annotations

from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import ROWS, Topology
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import MessageError, UnencodableError
from verbwire.messages import Stored
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
        left = len(cache.dirty)
        for key, row in cache.dirty.items():
            left -= 1
            value = self._encode(transaction, cache.partition, key, row)
            if left:
                transaction.produce(self._topology.changelog, cache.partition, key, value)
            else:
                self._write_last(transaction, cache, key, value)
        if not cache.dirty and (self._topology.writes_progress or cache.facts != cache.written_facts):
            self._write_last(transaction, cache, MARK, None)

    def _encode(self, transaction: Transaction, partition: int, key: bytes, row: Stored | None) -> bytes | None:
        """Return a row's value, and note what the local copy learns; None for one that was deleted."""
        changes = transaction.of(partition)
        if row is None:
            changes.rows[key] = None
            return None
        try:
            value, columns = self._topology.encode(key, row)
        except MessageError as error:
            # Which record is to blame is not known here: once more, encoding each row at once.
            self.row_checks.add(partition)
            raise UnencodableError(f"partition {partition} starts over, row by row: {error}") from error
        changes.rows[key] = (value, *columns)
        return value

    def _write_last(self, transaction: Transaction, cache: PartitionCache, key: bytes, value: bytes | None) -> None:
        headers = [(INPUTS_HEADER, write_inputs(cache.next))]
        changes = transaction.of(cache.partition)
        if cache.time is not None:
            headers.append((TIME_HEADER, b"%d" % cache.time))
            changes.time = cache.time
        headers += cache.facts.items()
        if cache.facts != cache.written_facts:  # else the copy has them already
            changes.facts = cache.written_facts = dict(cache.facts)
        position = transaction.note_position(cache.partition, ROWS)
        transaction.produce(self._topology.changelog, cache.partition, key, value, headers, on_delivery=position)
