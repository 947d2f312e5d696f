"""A core of the bank's engine, driven by the test in the place of Faust's adapter: batch by batch."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.all_dead import AllDead
from tests.kit.bank import SECONDS, Bank, Taken
from tests.kit.cluster import eventually
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.fold import AggregateFold
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.engine.builders.fold import fold_topology
from verbwire.engine.builders.groups import aggregate_topology, table_topology
from verbwire.engine.builders.process import command_topics, process_topology
from verbwire.engine.group import BATCH, BatchLimits, GroupEngine
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.restore.open_transactions import WorkerLiveness
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.topology import Topology
from verbwire.errors import UnavailableError, VerbwireError
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.messages import Message, Stored
from verbwire.observability.metrics.registry import Metrics
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants


@dataclass
class Engine:
    """One core on some partitions of the bank, driven by the test in the place of Faust's adapter."""

    bank: Bank
    declared: Aggregate[Any] | AggregateFold | Table[Any] | Process[Any]
    partitions: Sequence[int]
    folder: Path
    worker: str = field(default_factory=lambda: f"w-{uuid.uuid4().hex[:8]}")
    codec: Codec | None = None
    skips: Sequence[tuple[str, int, int]] = ()
    clock: BrokerClock = field(default_factory=BrokerClock)
    others: WorkerLiveness = field(default_factory=AllDead)
    change: Callable[[Topology], Topology] = lambda topology: topology
    grants: Grants = field(default_factory=Grants)
    batch: BatchLimits = BATCH

    def __post_init__(self) -> None:
        codec = self.codec or self.bank.codec
        self.notifier = ReplyNotifier(self.bank.kafka, self.bank.names.replies())
        if isinstance(self.declared, Process):
            targets = dict.fromkeys(command_topics(self.declared, codec), self.bank.partitions)
            row: type[Stored] = self.declared.state
            topology = process_topology(
                self.declared, codec, self.bank.partitions, targets, self.skips, self.grants, notifier=self.notifier
            )
        elif isinstance(self.declared, Aggregate):
            topology = aggregate_topology(
                self.declared, codec, self.bank.partitions, self.notifier, self.clock, self.grants
            )
            row = self.declared.state
        elif isinstance(self.declared, AggregateFold):
            topology, row = fold_topology(self.declared, codec, self.bank.partitions), self.declared.row
        else:
            topology, row = table_topology(self.declared, codec, self.bank.partitions, self.skips), self.declared.row
        self.topology = self.change(topology)
        self.membership = self.bank.member(self.topology.group, self.topology.inputs[0]).membership
        contract = codec.catalog.of(row)
        self.reader = StoreReader(self.declared.group, contract, self.bank.partitions)
        metrics = Metrics()
        self.metrics = metrics
        self.core = GroupEngine(
            self.topology,
            self.bank.kafka,
            self.bank.names,
            self.worker,
            self.folder,
            self.reader,
            metrics.group(self.topology.group),
            self.others,
            self.batch,
        )
        classes = {contract.name: row}
        decoder = codec.topic_decoder(self.topology.changelog, contract.namespace, classes)
        asking = Codec(codec.catalog, self.bank.registry, self.bank.names)  # whatever becomes of the engine's own
        self._decoder = asking.topic_decoder(self.topology.changelog, contract.namespace, classes)
        self.table = QueryableTable(self.reader, decoder.decode)
        self.next: dict[tuple[str, int], int] = {}
        self.live = True

    def __enter__(self) -> Engine:
        self.core.start()
        self.prepare()
        return self

    def __exit__(self, *_: object) -> None:
        self.core.close()
        self.notifier.close()

    def own(self, *partitions: int) -> None:
        """Let go of what is held and take these, as after a rebalance: cheaper than a new core for each test."""
        self.membership = self.bank.member(self.topology.group, self.topology.inputs[0]).membership
        self.partitions = partitions
        self.prepare()

    def prepare(self) -> None:
        """What the adapter does after an assignment, and after a failure."""
        todo, first, end = set(self.partitions), True, time.monotonic() + 2 * SECONDS
        self.next = {}
        while todo:
            assert time.monotonic() < end, f"partitions {todo} are not ready"
            try:
                ready = self.core.restore(sorted(todo), lambda: False, first)
            except UnavailableError:
                continue
            self.next |= {(topic, p): offset for p, inputs in ready.items() for topic, offset in inputs.items()}
            todo, first = todo - set(ready) - set(self.core.stopped()), False

    @property
    def starts(self) -> dict[tuple[str, int], int]:
        """Where it reads on what others write."""
        own = self.topology.requests and self.topology.requests.topic
        return {place: offset for place, offset in self.next.items() if place[0] != own}

    def fetch(self) -> dict[tuple[str, int], list[Taken]]:
        """What the inputs hold from the engine's own positions on."""
        return {place: self.bank.read(*place, start) for place, start in self.next.items()}

    def fetch_all(self) -> list[Taken]:
        """Everything that the inputs hold, from their first records on."""
        return [
            record for topic in self.topology.inputs for p in self.partitions for record in self.bank.read(topic, p)
        ]

    def share(self, partition: int) -> Engine:
        """Take a partition that other tests have used, and see only what comes from now on."""
        self.own(partition)
        self.bank.mark(partition)
        return self

    @property
    def partition(self) -> int:
        """The one partition of a test."""
        (partition,) = self.partitions
        return partition

    def run(self) -> None:
        """Deal with everything that is there; raises what the engine fails with, else the positions move on."""
        batch = self.fetch()
        self.core.process(batch, self.membership, lambda: self.live)
        eventually(lambda: not self.core.busy(), SECONDS, 0.002)
        if self.core.failure:
            raise self.core.failure
        for place, records in batch.items():
            if records and place[1] not in self.core.stopped():
                self.next[place] = records[-1].offset + 1

    def run_through(self, times: int = 10) -> None:
        """Deal with everything, starting over after failures as a worker does; raises the last when they never end."""
        for last in (*[False] * (times - 1), True):
            try:
                self.run()
                return
            except VerbwireError:
                if last:
                    raise
                self.prepare()

    def store(self, partition: int) -> Path:
        """The file of a partition's copy."""
        return self.folder / self.topology.group / f"{self.topology.table}-{partition}.db"

    def rows(self) -> dict[bytes, Message]:
        """The rows of the partition as other threads see them."""
        return {key: self._decoded(value) for key, value in self.reader.page(self.partition, None, 1000)}

    def counted_pence(self) -> int:
        """What the rows say of coins, all together."""
        return sum(int(getattr(row, "pence", 0)) for row in self.rows().values())

    def ask(self, partition: int, query: str) -> list[Any]:
        """Ask a partition's file, ready or not."""
        with closing(sqlite3.connect(f"{self.store(partition).as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def held(self, partition: int) -> dict[bytes, Message]:
        """The rows in a partition's file, ready or not."""
        return {key: self._decoded(value) for key, value in self.ask(partition, "select key, value from rows")}

    def _decoded(self, value: bytes) -> Message:
        row = self._decoder.decode(value)
        assert row is not None
        return row

    def served(self, key: bytes) -> bytes | None:
        """The row under a key of the test's partition as HTTP gives it, wherever that key would belong."""
        reader = StoreReader(self.reader.name, self.reader.row, 1)
        reader.states[0] = self.reader.states[self.partition]
        served = QueryableTable(reader, self.table.decode)
        return served.row(0, key)[0]

    def counted(self, name: str, **labels: str) -> float:
        """One of the worker's counters, by its name and labels in Prometheus' format."""
        every = sorted({"group": self.topology.group, **labels}.items())
        line = f"verbwire_{name}{{" + ",".join(f'{label}="{value}"' for label, value in every) + "}"
        found = [each for each in self.metrics.exposition().decode().splitlines() if each.startswith(line)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def inputs(self, partition: int) -> dict[str, int]:
        """How far the table says it is with what others write."""
        own = self.topology.requests and self.topology.requests.topic
        return {topic: offset for topic, offset in self.reader.states[partition].inputs.items() if topic != own}
