"""A depot of parcels on a real cluster: subscribers and jobs of it run in this process, under names of workers.

One deployment serves a module. A test *opens* it for its groups, which hear what comes from then on, and nothing of
what was there before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.all_dead import AllDead
from tests.kit.cluster import Cluster, eventually
from tests.kit.foreign_writer import without_bounds
from tests.kit.offsets import GroupOffsets, commit, ends
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.client.producing.producer import Producer
from verbwire.contracts.schema.load import load_catalog
from verbwire.declarations.job import Job
from verbwire.declarations.subscriber import Subscriber
from verbwire.deploy.deployment import deploy
from verbwire.deploy.group_plan import GroupPlan
from verbwire.deploy.target import Target
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.messages import Command, Kind
from verbwire.names import Names
from verbwire.observability.job_board import JobBoard
from verbwire.observability.metrics.registry import Metrics
from verbwire.principal import Principal
from verbwire.settings import Settings
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import Envelope, HeaderTemplate
from verbwire.wire.keys import key_of
from verbwire.wire.records.dead_letters import DeadLetterRecord, read_dead_letter
from verbwire.wire.registry.client import Registry
from verbwire.worker.services import Services
from verbwire.worker.subscriber_group import SubscriberGroupHost, host_effects

SAMPLES = Path(__file__).parent / "samples/office"
CATALOG = load_catalog(SAMPLES)
PARCELS, LABELS = "office.parcels", "office.labels"
JOB = f"{LABELS}.job"
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
        eventually(lambda: len(self.calls) >= count, seconds, every=0.005)
        with self.lock:
            return list(self.calls)


class Depot:
    """The depot's topics, for the subscribers of these names, some of which park, and the one job that it has."""

    def __init__(self, cluster: Cluster, prefix: str, *subscribers: str, parking: Collection[str] = ()) -> None:
        self.cluster = cluster
        self.names = Names("office", prefix)
        self.kafka = {"bootstrap.servers": cluster.bootstrap, "log_level": "3"}
        plans = [GroupPlan(JOB, Kind.COMMAND, (LABELS,), requeues=True)]
        plans += [GroupPlan(name, Kind.EVENT, (PARCELS,), requeues=True) for name in subscribers]
        plans += [GroupPlan(name, Kind.EVENT, (PARCELS,), requeues=True, heeds=True, parks=True) for name in parking]
        target = Target(cluster.bootstrap, cluster.registry_url, self.names, partitions=PARTITIONS)
        self._topics = deploy(target, CATALOG, plans).topics
        principal = Principal("tester", SCOPES)
        self.connection = Connection(cluster.bootstrap, cluster.registry_url, self.names, CATALOG, principal=principal)
        self.client = Client(self.connection)
        self.registry = Registry(cluster.registry_url)
        self.codec = Codec(CATALOG, self.registry, self.names)
        self.metrics = Metrics()
        self.board = JobBoard()
        self.grants = Grants()  # the rule by which commands are received
        self.running: list[SubscriberGroupHost] = []
        self._producer = Producer(self.connection)
        self._admin = AdminClient(self.kafka)
        self._offsets = GroupOffsets(self.cluster.bootstrap)
        self._reader = Consumer({**self.kafka, "group.id": "unused", "fetch.wait.max.ms": 10})
        self._since: dict[str, list[TopicPartition]] = {}

    @property
    def events(self) -> str:
        return self.names.events(PARCELS)

    @property
    def commands(self) -> str:
        return self.names.commands(LABELS)

    @contextmanager
    def open(self, *groups: Subscriber | Job) -> Iterator[Depot]:
        """The depot for one test and its groups; what still runs is stopped in the end, and leaves."""
        self._since = eventually(self._ends)
        for group in groups:
            name = self.names.group(group.group)
            source = self.commands if isinstance(group, Job) else self.events
            own = [self.names.requeued(name), self.names.requests(name)]
            offsets = [place for topic in (source, *own) for place in self._since.get(topic, ())]
            commit(self.cluster.bootstrap, name, offsets)
        try:
            yield self
        finally:
            for hosted in list(self.running):
                self.stop(hosted, leave=True)

    def since(self, topic: str) -> list[TopicPartition]:
        """Where a topic ended when the depot was opened."""
        return self._since[topic]

    def _ends(self) -> dict[str, list[TopicPartition]]:
        """Where the topics end by now; nothing while that is not known of all."""
        topics = [topic for topic in self._topics if not topic.endswith((".replies", ".workers"))]
        every = [TopicPartition(topic, each) for topic in topics for each in range(PARTITIONS)]
        found: dict[str, list[TopicPartition]] = {}
        for place in ends(self._admin, every):
            found.setdefault(place.topic, []).append(place)
        return found

    def services(self, worker: str, **kafka: str) -> Services:
        """What a worker of that name would share among its groups."""
        return Services(
            Settings(project="office", prefix=self.names.prefix, worker=worker),
            self.cluster.bootstrap,
            {"bootstrap.servers": self.cluster.bootstrap, **kafka},
            self.codec,
            self.metrics,
            ReplyNotifier(self.kafka, self.names.replies()),
            AllDead(),
            self.grants,
            jobs=self.board,
        )

    def host(self, declared: Subscriber | Job, worker: str = "w1", **kafka: str) -> SubscriberGroupHost:
        """Run a group."""
        hosted = host_effects(declared, self.services(worker, **kafka))
        hosted.connect()
        hosted.running.start()
        self.running.append(hosted)
        return hosted

    def stop(self, hosted: SubscriberGroupHost, leave: bool = False) -> None:
        """Stop a group as a worker does."""
        hosted.running.stop(leave)
        hosted.effect_producer.close(5)
        self.running.remove(hosted)

    def put_out(self, group: str, worker: str) -> None:
        """Join as a worker of that name, which is put out by it, and be gone."""
        settings = {"group.id": self.names.group(group), "group.instance.id": worker}
        repetition = Consumer({**self.kafka, **settings, "partition.assignment.strategy": "cooperative-sticky"})
        repetition.subscribe([self.events])
        eventually(lambda: repetition.poll(0.1) or repetition.assignment())
        repetition.close()

    def send_as(self, command: Command, principal: Principal, ttl: int | None = None, *, bounded: bool = True) -> None:
        """Send a command on somebody's behalf, to be carried out within `ttl` milliseconds."""
        contract = CATALOG.of(command)
        headers = HeaderTemplate(contract, "office").headers(
            f"c{time.monotonic_ns()}", Envelope(principal=principal, ttl=ttl)
        )
        encoder = self.codec.encoder(contract)
        value = (encoder if bounded else without_bounds(encoder))(command)
        topic = self.names.commands(contract.namespace)
        self._producer.produce(topic, key_of(contract, command), value, headers, "").result(10)

    def put(self, key: bytes | None, value: bytes | None) -> None:
        """Produce something into the events, whatever it is."""
        self._producer.produce(self.events, key, value, [], "", 1).result(10)

    def records(self, topic: str, count: int) -> list[Message]:
        """What came to a topic since the depot was opened, as soon as it is so much."""
        found: list[Message] = []
        self._reader.assign(self._since[topic])

        def complete() -> bool:
            found.extend(self._reader.consume(1000, 0.02))
            return len(found) >= count

        eventually(complete, every=0)
        self._reader.unassign()
        return found

    def letters(self, group: str, count: int) -> list[DeadLetterRecord]:
        """The dead letters of a group since the depot was opened, as soon as there are so many."""
        found = self.records(self.names.dead_letters(self.names.group(group)), count)
        read = [read_dead_letter(each.key(), each.value(), each.headers() or []) for each in found]
        return [letter for letter in read if letter is not None]

    def committed(self, group: str, topic: str) -> int:
        """How many records of a topic a group has committed since the depot was opened."""
        since = self._since[topic]
        wanted = [TopicPartition(topic, each.partition) for each in since]
        now = self._offsets.committed(self.names.group(group), wanted)
        return sum(int(each.offset) for each in now) - sum(int(each.offset) for each in since)

    def close(self) -> None:
        self.client.close()
        self._producer.close()
        self._reader.close()
        self.registry.close()
        for future in self._admin.delete_topics([*self._topics]).values():
            future.result()
