"""One group as a worker hosts it: its engine, what others may see of it, and its health."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.fold import AggregateFold
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.table import Table
from verbwire.deploy.group_plan import GroupPlan
from verbwire.engine.builders.code import fingerprints_of
from verbwire.engine.builders.fold import fold_topology
from verbwire.engine.builders.groups import aggregate_topology, table_topology
from verbwire.engine.builders.process import command_topics, process_topology
from verbwire.engine.builders.scheduler import scheduler_topology
from verbwire.engine.faust.security import Security
from verbwire.engine.group import BatchLimits, GroupEngine
from verbwire.engine.restore.repartition_catch_up import RepartitionCatchUp
from verbwire.engine.restore.repartition_progress import RepartitionProgress
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.topology import Topology
from verbwire.http.operations.health import PartitionHealth
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.kafka.group_membership import NOT_ASSIGNED
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.progress import InputProgress
from verbwire.messages import Message
from verbwire.names import Names
from verbwire.settings import skipped
from verbwire.wire.records.scheduled import SCHEDULED, ScheduledRecord
from verbwire.wire.records.workers import GroupShare
from verbwire.worker.local_copies import hold
from verbwire.worker.services import NO_REGISTRY, Services
from verbwire.worker.shadowing import Shadowing

if TYPE_CHECKING:
    from verbwire.engine.faust.app import GroupApp

NOT_HEARD = "partitions are being restored, or the group has not answered for a while: cut off from Kafka, or stopped"


@dataclass
class EngineGroup:
    """A group that the engine runs in this process; `app` is there once Faust has been imported.

    `catching_up` is there where its events count under other keys than their own.
    """

    group: str  # as declared, without prefix; of a table that was rebuilt with the generation's number
    engine: GroupEngine
    table: QueryableTable
    alone: TextIO  # while it is open, no other process has these copies
    copies: Path  # the folder of its copies
    services: Services
    security: Security
    catching_up: RepartitionCatchUp | None = None
    app: GroupApp | None = None

    @property
    def name(self) -> str:
        """The group's name on the cluster."""
        return self.engine.topology.group

    @property
    def tables(self) -> Sequence[QueryableTable]:
        """The one table that it keeps."""
        return [self.table]

    @property
    def readers(self) -> Sequence[StoreReader]:
        """Its copies."""
        return [self.table.store_reader]

    @property
    def engines(self) -> Sequence[GroupEngine]:
        """Its engine."""
        return [self.engine]

    def connect(self) -> None:
        """Abort what a predecessor of this name left open."""
        self.engine.start()

    async def start(self) -> None:
        """Join the group by Faust, whose import the worker has seen to."""
        from verbwire.engine.faust.app import group_app

        settings = self.services.settings
        self.app = group_app(self.engine, self.services.bootstrap, settings.worker, settings.data_folder, self.security)
        if self.catching_up is not None:
            self.catching_up.start()
        await self.app.start()

    async def stop(self, leave: bool) -> None:
        """Finish the transaction in hand, then let go."""
        if self.catching_up is not None:
            self.catching_up.stop()
        if self.app is None:
            return
        try:
            await self.app.stop_group(leave)
        finally:
            await asyncio.get_running_loop().run_in_executor(self.app.engine_thread, self.engine.close)
            self.app.engine_thread.shutdown()

    def shares(self) -> Sequence[GroupShare]:
        """Return what of it is here."""
        return [self.share()]

    def share(self) -> GroupShare:
        """Return the partitions that it owns, and what others should know of them."""
        owned = sorted((self.app and self.app.owned) or ())
        reader, sources = self.engine.reader, self.engine.topology.sources
        ready, stopped = set(reader.ready()), reader.stopped()
        return GroupShare(
            group=self.group,
            generation=self.app.generation() if self.app else 0,
            owned=tuple(owned),
            ready=tuple(each for each in owned if each in ready),
            stopped=tuple(each for each in owned if each in stopped),
            caught_up=tuple(each for each in owned if reader.states[each].has_read(sources)),
        )

    def progress(self) -> list[InputProgress]:
        """Return how far it is with each partition of its inputs that it owns."""
        owned, states = (self.app and self.app.owned) or (), self.engine.reader.states
        return [each for partition in owned for each in states[partition].progress(self.engine.topology.inputs)]

    def live(self) -> str | None:
        """Return why the group is beyond repair, or None."""
        return self.app.alive() if self.app else None

    def not_ready(self) -> list[str]:
        """Return the owned partitions that are still being restored. Stopped ones are told by `partition_health`."""
        owned = self.app.owned if self.app else None
        if owned is None:
            return [NOT_ASSIGNED]
        if not self.engine.reader.lease():
            return [NOT_HEARD]
        if self.engine.waits_for_registry():
            return [NO_REGISTRY]
        states = self.engine.reader.states
        return [
            f"partition {partition}: {states[partition].state}"
            for partition in sorted(owned)
            if not states[partition].ready and states[partition].stopped is None
        ]

    def partition_health(self) -> PartitionHealth:
        """Return which of the owned partitions are stopped, and which are behind."""
        reader, owned = self.engine.reader, (self.app and self.app.owned) or ()
        stopped = [partition for partition in reader.stopped() if partition in owned]
        return PartitionHealth(owned, stopped, reader.behind())


Hosted: TypeAlias = Aggregate[Any] | AggregateFold | Table[Any] | Process[Any] | Scheduler


def host(declared: Hosted, services: Services, how: Shadowing | None = None) -> EngineGroup:
    """Build the group's engine on its topics as they are deployed; `how` of one that is being rebuilt."""
    settings, codec, kafka = services.settings, services.codec, services.kafka
    names, security = codec.names, services.security
    group, called = names.group(declared.group), names.generation(declared.group)
    cluster = ClusterOffsets(kafka, group)
    topology = _topology(declared, group, services, cluster)
    row = _row(declared)
    contract = SCHEDULED if isinstance(declared, Scheduler) else codec.catalog.of(row)
    if not isinstance(declared, Scheduler | AggregateFold):
        by = fingerprints_of(declared, contract, names, settings.root)
        topology = replace(topology, code=replace(topology.code, by=by))
    batch: BatchLimits | None = None
    if how is not None:
        topology, batch = how.of(topology)
    reader = StoreReader(called, contract, topology.partitions)
    # Workers on one machine may share the data folder, their copies they may not: a late write of one that lost a
    # partition would put older rows into the file of the one that has it.
    copies = settings.data_folder / "tables" / settings.worker
    alone = hold(copies / group)
    metrics = services.metrics.group(group)
    services.watched(topology.processor.watch)
    metrics.table(lambda: sum(reader.behind().values()), reader.dead_letters)
    if isinstance(declared, Table | Process) and declared.parking is not None:
        metrics.parks(reader.parked)
    engine = GroupEngine(topology, kafka, names, settings.worker, copies, reader, metrics, services.liveness, batch)
    # A decoder of its own: the engine's thread has the other.
    rows = [each.state for each in declared.versions] if isinstance(declared, Process) else [row]
    decoder = codec.topic_decoder(topology.changelog, contract.namespace, {each.__contract__: each for each in rows})
    repartition_progress = catching_up = None
    if topic := topology.repartition:
        repartition_progress = RepartitionProgress(cluster, topology.sources, topic, topology.partitions)
        catching_up = RepartitionCatchUp(reader, topology.sources, topic, cluster, services.liveness.caught_up)
    table = QueryableTable(
        store_reader=reader,
        decode=decoder.decode,
        index=topology.columns,
        search=topology.search,
        repartition_progress=repartition_progress,
        cluster=cluster,
        shown=decoder.shown,
        knows=decoder.knows,
    )
    return EngineGroup(called, engine, table, alone, copies / group, services, security, catching_up)


def _row(declared: Hosted) -> type[Message]:
    match declared:
        case Table() | AggregateFold():
            return declared.row
        case Scheduler():
            return ScheduledRecord
        case _:
            return declared.state


def _topology(
    declared: Hosted,
    group: str,
    services: Services,
    cluster: ClusterOffsets,
) -> Topology:
    codec, names, skip = services.codec, services.codec.names, services.settings.skip
    skips = [(topic, p, offset) for owner, topic, p, offset in map(skipped, skip) if owner == group]
    if isinstance(declared, AggregateFold):
        plan = GroupPlan.folding(declared.aggregate)
        return fold_topology(declared, codec, _partitions(cluster, group, plan, names))
    partitions = _partitions(cluster, group, GroupPlan.of(declared, codec.catalog), names)
    match declared:
        case Aggregate():
            return aggregate_topology(declared, codec, partitions, services.notifier, services.clock, services.grants)
        case Scheduler():
            return scheduler_topology(declared, codec, partitions, services.notifier, services.clock, services.grants)
        case Process():
            commands = command_topics(declared, codec)
            targets = {topic: found.partitions for topic, found in cluster.topics(commands).items()}
            return process_topology(
                declared, codec, partitions, targets, skips, services.grants, services.clock, services.notifier
            )
        case Table():
            return table_topology(declared, codec, partitions, skips)


def _partitions(cluster: ClusterOffsets, group: str, plan: GroupPlan, names: Names) -> int:
    """Return how many partitions a group has: as most of its topics. One that differs stops the group."""
    found = cluster.topics([*plan.read(names), names.dead_letters(group)])
    return Counter(topic.partitions for topic in found.values()).most_common(1)[0][0]
