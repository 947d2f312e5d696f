"""From declarations to the groups in memory: the plans that a worker would run, with what stands for the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from verbwire.client.base.connection import Connection
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.table import Table
from verbwire.engine.builders.groups import aggregate_topology, table_topology
from verbwire.engine.builders.process import command_topics, process_topology
from verbwire.engine.builders.scheduler import scheduler_topology
from verbwire.engine.processors.reply_notifier import Reply, ReplyNotifier
from verbwire.engine.processors.windowed_table import WindowedTableProcessor
from verbwire.engine.topology import Topology
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.principal import Principal
from verbwire.subscribers.plan import subscriber_plan
from verbwire.testing.memory.clock import MemoryClock
from verbwire.testing.memory.engine_groups import MemoryEngineGroup
from verbwire.testing.memory.subscriber_groups import MemorySubscriberGroup
from verbwire.testing.memory.topics import MemoryTopics
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants
from verbwire.wire.records.scheduled import SCHEDULED

MemoryGroup: TypeAlias = MemoryEngineGroup | MemorySubscriberGroup


class MemoryReplies(ReplyNotifier):
    """Keeps what askers are told, by the id of their command."""

    def __init__(self) -> None:  # no Kafka: nothing is connected
        self.outcomes: dict[str, bytes] = {}

    def send(self, replies: Sequence[Reply]) -> None:
        """Keep the outcomes' records."""
        self.outcomes.update((command_id, outcome) for _, command_id, outcome in replies)

    def close(self) -> None:
        """Do nothing: nothing is open."""


@dataclass(frozen=True)
class MemoryServices:
    """What all groups in memory share."""

    connection: Connection
    codec: Codec
    topics: MemoryTopics
    clock: MemoryClock
    grants: Grants
    replies: MemoryReplies
    folder: Path
    loop: HandlerLoop

    def group(self, declared: Declared) -> MemoryGroup:
        """Return the group that a declaration is; :class:`ContractError` where it does not fit its contracts."""
        if isinstance(declared, Scheduler):
            return MemoryEngineGroup(declared.group, SCHEDULED, self._scheduler(declared), self.topics, self.folder)
        if isinstance(declared, Aggregate | Table | Process):
            row = self.codec.catalog.of(declared.row if isinstance(declared, Table) else declared.state)
            return MemoryEngineGroup(declared.group, row, self._topology(declared), self.topics, self.folder)
        connection = replace(self.connection, principal=Principal(declared.group, declared.scopes))
        plan = subscriber_plan(declared, self.codec, self.grants)
        return MemorySubscriberGroup(plan, connection, self.topics, self.codec, self.clock, self.loop, self.replies)

    def table(self, group: MemoryEngineGroup, row: type[Any]) -> QueryableTable:
        """Return a table as HTTP shows it."""
        topology = group.topology
        decoder = self.codec.topic_decoder(topology.changelog, group.row.namespace, {group.row.name: row})
        return QueryableTable(group.store_reader, decoder.decode, topology.columns, topology.search)

    def _scheduler(self, declared: Scheduler) -> Topology:
        partitions = self.topics.partitions
        return scheduler_topology(declared, self.codec, partitions, self.replies, self.clock, self.grants)

    def _topology(self, declared: Aggregate[Any] | Table[Any] | Process[Any]) -> Topology:
        codec, partitions, grants = self.codec, self.topics.partitions, self.grants
        if isinstance(declared, Aggregate):
            return aggregate_topology(declared, codec, partitions, self.replies, self.clock, grants)
        if isinstance(declared, Process):
            targets = dict.fromkeys(command_topics(declared, codec), partitions)
            return process_topology(
                declared, codec, partitions, targets, grants=grants, clock=self.clock, notifier=self.replies
            )
        topology = table_topology(declared, codec, partitions)
        if isinstance(topology.processor, WindowedTableProcessor):
            topology.processor.now = self.clock.seconds
        return topology
