"""A depot of parcels on a real cluster: subscribers and jobs of it run in this process, under names of workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.cluster import Cluster, eventually
from tests.cluster import records as records_of
from verbwire.contracts.load import load_catalog
from verbwire.declarations.job import Job
from verbwire.declarations.subscriber import Subscriber
from verbwire.deploy import Target, deploy
from verbwire.engine.hints import Hints
from verbwire.jobs import JobBoard
from verbwire.messages import Command, Kind
from verbwire.metrics import Metrics
from verbwire.names import Names
from verbwire.sdk.client import Client
from verbwire.sdk.connection import Connection, Identity
from verbwire.sdk.producer import Producer
from verbwire.settings import Settings
from verbwire.wire.codec import Codec
from verbwire.wire.dead_letters import Letter, read_letter
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.keys import key_of
from verbwire.wire.registry import Registry
from verbwire.wire.topics import GroupPlan
from verbwire.worker.effects import HostedEffects, host_effects
from verbwire.worker.groups import Services

SAMPLES = Path(__file__).parent / "effects_samples"
CATALOG = load_catalog(SAMPLES)
PARCELS, LABELS = "depot.parcels", "depot.labels"
SCOPES = ("labels:print",)
PARTITIONS = 2


@dataclass
class Seen:
    """What handlers were called with, from any thread."""

    calls: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, call: Any) -> None:
        with self.lock:
            self.calls.append(call)

    def wait(self, count: int, seconds: float = 20.0) -> list[Any]:
        """What was noted, as soon as it is so many."""
        eventually(lambda: len(self.calls) >= count, seconds, every=0.01)
        with self.lock:
            return list(self.calls)


class Depot:
    """Topics of one test alone, for the groups that it declares."""

    def __init__(self, cluster: Cluster, prefix: str, *declared: Subscriber | Job) -> None:
        self.cluster = cluster
        self.names = Names("depot", prefix)
        plans = [_plan(each) for each in declared]
        target = Target(cluster.bootstrap, cluster.registry_url, self.names, partitions=PARTITIONS)
        self.topics = deploy(target, CATALOG, plans).topics
        self.connection = Connection(
            cluster.bootstrap, cluster.registry_url, self.names, CATALOG, identity=Identity("tester", SCOPES)
        )
        self.client = Client(self.connection)
        self.mail = Producer(self.connection)
        self.registry = Registry(cluster.registry_url)
        self.metrics = Metrics()
        self.board = JobBoard()
        self.codec = Codec(CATALOG, self.registry, self.names)
        self.running: list[HostedEffects] = []

    def services(self, worker: str, **kafka: str) -> Services:
        """What a worker of that name would share among its groups."""
        return Services(
            Settings(project="depot", prefix=self.names.prefix, worker=worker),
            self.cluster.bootstrap,
            {"bootstrap.servers": self.cluster.bootstrap, **kafka},
            self.codec,
            self.metrics,
            Hints({"bootstrap.servers": self.cluster.bootstrap}, self.names.replies()),
            jobs=self.board,
        )

    def host(self, declared: Subscriber | Job, worker: str = "w1", **kafka: str) -> HostedEffects:
        """Run a group until the test ends, or stops it."""
        hosted = host_effects(declared, self.services(worker, **kafka))
        hosted.connect()
        hosted.running.start()
        self.running.append(hosted)
        return hosted

    def stop(self, hosted: HostedEffects, leave: bool = False) -> None:
        """Stop a group as a worker does."""
        hosted.running.stop(leave)
        hosted.mail.close(5)
        self.running.remove(hosted)

    def send_as(self, command: Command, identity: Identity, ttl: int | None = None) -> None:
        """Send a command on somebody's behalf, to be carried out within `ttl` milliseconds."""
        contract = CATALOG.of(command)
        headers = HeaderTemplate(contract, "depot").headers(
            f"c{time.monotonic_ns()}", actor=identity.actor, scopes=identity.scopes, ttl=ttl
        )
        topic, value = self.names.commands(contract.namespace), self.codec.encoder(contract)(command)
        self.mail.produce(topic, key_of(contract, command), value, headers, "").result(10)

    def letters(self, group: str, count: int) -> list[Letter]:
        """The dead letters of a group, as soon as there are so many."""
        topic = self.names.dead_letters(self.names.group(group))
        found = records_of(self.cluster.bootstrap, topic, count)
        read = [read_letter(each.key(), each.value(), each.headers() or []) for each in found]
        return [letter for letter in read if letter is not None]

    def committed(self, group: str, topic: str) -> int:
        """The sum of what a group has committed in the partitions of a topic."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 3})
        wanted = [TopicPartition(topic, each) for each in range(PARTITIONS)]
        (future,) = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(self.names.group(group), wanted)]
        ).values()
        return sum(max(0, each.offset) for each in future.result().topic_partitions)

    def close(self) -> None:
        for hosted in list(self.running):
            self.stop(hosted)
        self.client.close()
        self.mail.close()
        self.registry.close()
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 3})
        for future in admin.delete_topics([*self.topics]).values():
            future.result()


@contextmanager
def depot(cluster: Cluster, prefix: str, *declared: Subscriber | Job) -> Iterator[Depot]:
    opened = Depot(cluster, prefix, *declared)
    try:
        yield opened
    finally:
        opened.close()


def _plan(declared: Subscriber | Job) -> GroupPlan:
    if isinstance(declared, Job):
        return GroupPlan(declared.group, Kind.COMMAND, (declared.namespace,), retries=True)
    return GroupPlan(declared.group, Kind.EVENT, tuple(declared.sources), retries=True)
