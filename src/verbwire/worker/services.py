"""What a worker hosts, whatever kind of group it is, and what all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from verbwire.client.base.connection import Connection
from verbwire.engine.faust.security import Security, security_of
from verbwire.engine.group import GroupEngine
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.restore.open_transactions import WorkerLiveness
from verbwire.engine.state.reader import StoreReader
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.http.operations.health import PartitionHealth
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.progress import InputProgress
from verbwire.observability.job_board import JobBoard
from verbwire.observability.metrics.registry import Metrics
from verbwire.observability.outages import Outage
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.observability.watch.watchdog import Watchdog
from verbwire.principal import NOBODY, Principal
from verbwire.settings import Settings
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants
from verbwire.wire.records.workers import GroupShare

NO_REGISTRY = "the schema registry is waited for, it does not answer or not with what it should know: see the log"


@dataclass(frozen=True)
class Services:
    """What all groups of one worker process share."""

    settings: Settings
    bootstrap: str
    kafka: dict[str, str] = field(repr=False)  # librdkafka properties, the addresses among them
    codec: Codec
    metrics: Metrics
    notifier: ReplyNotifier  # sends replies to clients that wait for outcomes
    liveness: WorkerLiveness  # of the workers of the project
    grants: Grants = field(default_factory=Grants)
    outage: Outage = field(default_factory=lambda: Outage("Kafka"))
    clock: BrokerClock = field(default_factory=BrokerClock)
    jobs: JobBoard = field(default_factory=JobBoard)
    watchdog: Watchdog = field(default_factory=Watchdog)
    loop: HandlerLoop = field(default_factory=HandlerLoop)  # of asynchronous handlers

    def watched(self, watch: HandlerWatch) -> HandlerWatch:
        """Have the watchdog look after the handlers of a group, a responder or a query; return the same."""
        self.watchdog.add(watch, self.metrics.running(watch.group))
        return watch

    def connection(
        self,
        kafka: Mapping[str, str],
        principal: Principal = NOBODY,
        delivery_seconds: float = Connection.delivery_seconds,
    ) -> Connection:
        """Return how a client of this worker connects, with these librdkafka properties."""
        return Connection(
            bootstrap=self.bootstrap,
            registry=self.codec.registry.url,
            names=self.codec.names,
            catalog=self.codec.catalog,
            principal=principal,
            kafka={"log_level": "2", **kafka},  # what is not reached is told by the worker
            registry_conf=self.settings.registry_client,
            delivery_seconds=delivery_seconds,
            grants=self.grants,
        )

    @cached_property
    def security(self) -> Security:
        """How Faust's consumers prove who they are: one reading, and one set of certificates, for all of them."""
        return security_of(self.kafka)


class GroupHost(Protocol):
    """A group in this process. Health asks it from HTTP's loop; everything else is called by the worker's."""

    @property
    def group(self) -> str:
        """The group's name as declared, without prefix."""
        ...

    @property
    def name(self) -> str:
        """The group's name on the cluster."""
        ...

    @property
    def tables(self) -> Sequence[QueryableTable]:
        """What HTTP may show of it."""
        ...

    def connect(self) -> None:
        """Reach the cluster, and clear up what a killed predecessor left; blocks, off the loop, before `start`."""
        ...

    async def start(self) -> None:
        """Begin to work; returns when the group has been joined, or will be by itself."""
        ...

    async def stop(self, leave: bool) -> None:
        """Finish what is in hand and let go; `leave` the group where this worker will not come back."""
        ...

    @property
    def readers(self) -> Sequence[StoreReader]:
        """The copies that queries are answered from."""
        ...

    @property
    def engines(self) -> Sequence[GroupEngine]:
        """The engines that run it here."""
        ...

    def shares(self) -> Sequence[GroupShare]:
        """What of the group this worker has now, of each of its generations. From any thread."""
        ...

    def progress(self) -> list[InputProgress]:
        """Return how far it is with each partition of its inputs that this worker has. From any thread."""
        ...

    def live(self) -> str | None:
        """Why only a new process can help, or None."""
        ...

    def not_ready(self) -> list[str]:
        """What keeps this worker from serving the group; empty when nothing does."""
        ...

    def partition_health(self) -> PartitionHealth:
        """Which of its partitions are stopped or behind."""
        ...
