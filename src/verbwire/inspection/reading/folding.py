"""Which row of a table, or which instance of a process, a record counts in: told by the code that a worker runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.engine.builders.groups import table_topology
from verbwire.engine.builders.process import command_topics, process_topology
from verbwire.engine.processors.table import ForeignKey, Matched, TableProcessor
from verbwire.engine.topology import StopPartition
from verbwire.errors import UndecodableError
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.keys import key_bytes, parse_key
from verbwire.wire.partitioner import partition_of

Folded: TypeAlias = Table[Any] | Process[Any]


@dataclass(frozen=True, slots=True)
class RowPlace:
    """The row that a record counts in: its key, and its partition. `source` is the record as it was first written."""

    key: bytes
    partition: int
    source: ConsumedRecord


class Folding:
    """How one table or process reads its inputs. Its functions that rekey events are those of the code as it is now."""

    def __init__(self, cluster: OpenCluster, declared: Folded) -> None:
        """Look the group up; :class:`UnavailableError` where a topic of its is not there."""
        codec = cluster.codec
        self.declared = declared
        self.partitions = cluster.partitions_of(_first_input(cluster, declared))
        if isinstance(declared, Table):
            topology = table_topology(declared, codec, self.partitions)
        else:
            targets = {topic: cluster.partitions_of(topic) for topic in command_topics(declared, codec)}
            topology = process_topology(declared, codec, self.partitions, targets)
        self.changelog = topology.changelog
        self.sources = topology.sources
        self.repartition = topology.repartition
        self.row: Contract = codec.catalog.of(declared.row if isinstance(declared, Table) else declared.state)
        self._fold = cast("TableProcessor", topology.processor)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All topics that it reads."""
        return (*self.sources, *([self.repartition] if self.repartition else []))

    def row_of(self, record: ConsumedRecord) -> RowPlace | None:
        """Return the row that a record of an input counts in; None where it counts in none.

        A record that is to be handed on counts where it goes. That an event came too late for its window is not told:
        that depends on what was read before it. :class:`StopPartition` where the group stops at it.
        """
        try:
            found = self._fold.match(record)
            if isinstance(found, ForeignKey):
                found = self._fold.match(replace(record, partition=partition_of(found.key, self.partitions)))
        except UndecodableError:
            return None
        if isinstance(found, StopPartition):
            raise found
        if not isinstance(found, Matched):
            return None
        is_forwarded = record.topic == self.repartition
        source = cast("ConsumedRecord", found.source) if is_forwarded else record
        return RowPlace(found.key, found.record.partition, source)

    def counted_key(self, row_key: bytes) -> bytes:
        """Return the key by which events count in a row: its own; of a window's row what stands before the window."""
        if isinstance(self.declared, Table) and self.declared.window is not None:
            return key_bytes(parse_key(self.row, row_key)[0])
        return row_key


def _first_input(cluster: OpenCluster, declared: Folded) -> str:
    names = cluster.codec.names
    if declared.sources:
        return names.events(declared.sources[0])
    answering = tuple(declared.answering) if isinstance(declared, Process) else ()
    if isinstance(declared, Process) and declared.namespace:
        return names.commands(declared.namespace)
    return names.outcomes(answering[0])
