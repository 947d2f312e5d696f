"""A bank of jars on a real cluster, and its engine's cores run by hand: batch by batch, each in a partition of its own.

One deployment serves a whole test run; what keeps tests apart is the partition, or the key within one and the records
that were there before. The membership under which the cores commit is that of a real one-member group of
confluent-kafka, so that the broker's fence is in the way as in a worker.
"""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.kit.cluster import Cluster, eventually
from tests.kit.offsets import commit, ends
from verbwire.client.base.connection import Connection
from verbwire.contracts.schema.load import load_catalog
from verbwire.deploy.deployment import deploy
from verbwire.deploy.group_plan import GroupPlan
from verbwire.deploy.target import Target
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.kafka.record import ConsumedRecord
from verbwire.messages import Event, Kind, Message
from verbwire.names import Names
from verbwire.principal import Principal
from verbwire.wire.codec.topics import Codec
from verbwire.wire.headers import Envelope, HeaderTemplate
from verbwire.wire.keys import key_of
from verbwire.wire.partitioner import partition_of
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord
from verbwire.wire.registry.client import Registry

SAMPLES = Path(__file__).parent / "samples/bank"
CATALOG = load_catalog(SAMPLES)
NAMESPACE = "bank.jars"
RECEIVER, TABLE = "bank.jars.aggregate", "bank.jars"
SCOPES = ("jars:write",)
GROUPS = (
    GroupPlan(RECEIVER, Kind.COMMAND, (NAMESPACE,), ("state",)),
    GroupPlan(TABLE, Kind.EVENT, (NAMESPACE,), ("jars",), heeds=True, parks=True),
)
SECONDS = 20.0


class Taken(ConsumedRecord):
    """A record as the engine takes it in."""

    def header(self, name: str) -> str | None:
        """The last header of that name, as text."""
        values = [value for each, value in self.headers if each == name]
        return values[-1].decode() if values else None


class Member:
    """The one member of a group; owns all its partitions from the first poll on."""

    def __init__(self, cluster: Cluster, group: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "heartbeat.interval.ms": 1000,
                "max.poll.interval.ms": 3_600_000,
                "log_level": 3,
            }
        )
        self._consumer.subscribe([topic])
        eventually(lambda: self._consumer.poll(0.05) or self._consumer.assignment())
        self._consumer.pause(self._consumer.assignment())
        metadata = bytes(self._consumer.consumer_group_metadata()).removeprefix(b"CGMDv2:")
        _, member, _ = metadata[4:].split(b"\0", 2)
        self.membership = GroupMetadata(group, struct.unpack("<i", metadata[:4])[0], member.decode())

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


class Bank:
    """The bank's topics and schemas under one prefix."""

    def __init__(self, cluster: Cluster, prefix: str, partitions: int, groups: Sequence[GroupPlan] = GROUPS) -> None:
        self.cluster = cluster
        self.names = Names("bank", prefix)
        self.partitions = partitions
        self._groups = groups
        self._topics = self.deploy()
        self.registry = Registry(cluster.registry_url)
        self.codec = Codec(CATALOG, self.registry, self.names)
        self.kafka = {"bootstrap.servers": cluster.bootstrap}
        self.connection = Connection(cluster.bootstrap, cluster.registry_url, self.names, CATALOG)
        self._lines = self.codec.topic_decoder("outcomes", OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
        self.members: dict[str, Member] = {}
        self._producer = Producer({**self.kafka, "message.max.bytes": 4_000_000, "log_level": 3})
        self._admin = AdminClient({**self.kafka, "log_level": 3})
        self._reader = Consumer(
            {
                **self.kafka,
                "group.id": "reads-only",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                "log_level": 3,
            }
        )
        self._free = iter(range(partitions))
        self._marks: dict[tuple[str, int], int] = {}

    def close(self) -> None:
        """Leave the groups, and nothing on the broker: it may serve many runs."""
        for member in self.members.values():
            member.close()
        for future in self._admin.delete_topics([*self._topics]).values():
            future.result()
        self._reader.close()
        self.registry.close()

    def forget_topics(self, there: Iterable[str]) -> None:
        """Delete these when it is closed, whatever was made at the beginning: a rebuild has made and deleted some."""
        self._topics = tuple(there)

    def deploy(self) -> tuple[str, ...]:
        """Create the topics that are missing, and return their names."""
        target = Target(self.cluster.bootstrap, self.cluster.registry_url, self.names, partitions=self.partitions)
        return deploy(target, CATALOG, self._groups).topics

    def partition(self) -> int:
        """A partition that no other test uses."""
        if (free := next(self._free, None)) is None:
            pytest.fail(
                f"the tests of this process need more than the bank's {self.partitions} partitions: conftest.py"
            )
        return free

    def key(self, partition: int) -> str:
        """A new key that lies in a partition."""
        names = (uuid.uuid4().hex for _ in range(100 * self.partitions))
        return next(name for name in names if partition_of(name.encode(), self.partitions) == partition)

    def member(self, group: str, topic: str) -> Member:
        """The group's member; joins when it is first asked for."""
        if group not in self.members:
            self.members[group] = Member(self.cluster, group, topic)
        return self.members[group]

    def forget(self, group: str) -> None:
        """Let the broker forget a group and its offsets, as it does after seven idle days."""
        self._leave(group)
        for future in self._admin.delete_consumer_groups([group]).values():
            future.result()

    def commit(self, group: str, topic: str, partition: int, offset: int, by: str = "") -> None:
        """Set a group's offset by hand, or as a worker of that name does."""
        self._leave(group)
        commit(self.cluster.bootstrap, group, [TopicPartition(topic, partition, offset, by)])

    def cut_off(self, topic: str, partition: int, offset: int) -> None:
        """Delete the records below an offset, as retention does."""
        for future in self._admin.delete_records([TopicPartition(topic, partition, offset)]).values():
            future.result()

    def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions, as kafka-topics.sh --alter does."""
        for future in self._admin.create_partitions([NewPartitions(topic, total)]).values():
            future.result()

    def create(self, topic: str, partitions: int) -> str:
        """Create a topic that no contract speaks of, and return its name."""
        for future in self._admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            future.result()
        eventually(lambda: topic in self._admin.list_topics(timeout=SECONDS).topics)  # the broker learns of it later
        return topic

    def _leave(self, group: str) -> None:
        if member := self.members.pop(group, None):
            member.close()

    def topic_of(self, message: Message) -> str:
        """Where a message of this kind belongs."""
        namespace = CATALOG.of(message).namespace
        return self.names.events(namespace) if isinstance(message, Event) else self.names.commands(namespace)

    def send(
        self,
        message: Message,
        partition: int,
        *,
        id: str | None = None,
        actor: str | None = "ann",
        scopes: tuple[str, ...] = SCOPES,
        deadline: datetime | None = None,
        reply_partition: int | None = None,
        **more: Any,
    ) -> int:
        """Produce a command or an event as a client would, into this partition, and return its offset."""
        contract = CATALOG.of(message)
        template = HeaderTemplate(contract, "test", Principal(actor or "", scopes))
        headers = template.headers(id or uuid.uuid4().hex, Envelope(**more), reply_partition)
        if deadline is not None:
            headers.append(("ce_deadline", deadline.isoformat().encode()))
        value = self.codec.encoder(contract)(message)
        return self.put(self.topic_of(message), partition, key_of(contract, message), value, headers)

    def put(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> int:
        """Produce whatever bytes, and return their offset."""
        found: list[int] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            assert error is None, error
            found.append(message.offset())

        self._producer.produce(topic, value, key, partition, on_delivery=delivered, headers=list(headers))
        assert self._producer.flush(SECONDS) == 0
        return found[0]

    def mark(self, partition: int) -> None:
        """From now on read what comes after what is there."""
        shared = (self.names.replies(), self.names.workers())  # these have other numbers of partitions
        self._marks = self._ends([(topic, partition) for topic in self._topics if topic not in shared])

    def _ends(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        wanted = [TopicPartition(*place) for place in places]
        found = eventually(lambda: ends(self._admin, wanted), SECONDS)
        return {(each.topic, each.partition): int(each.offset) for each in found}

    def read(self, topic: str, partition: int, start: int | None = None) -> list[Taken]:
        """The records of a partition from `start` or the mark on; waits for transactions whose end is not there yet."""
        last, found = self._ends([(topic, partition)])[topic, partition], list[Taken]()
        if start is None:
            start = self._marks.get((topic, partition), 0)
        self._reader.assign([TopicPartition(topic, partition, start)])
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            message = self._reader.poll(0.1)
            for each in [message, *self._reader.consume(1000, 0)] if message is not None else ():
                if (error := each.error()) is None:
                    found.append(_taken(each))
                elif error.code() == KafkaError._PARTITION_EOF and each.offset() >= last:
                    self._reader.unassign()
                    return found
        raise AssertionError(f"the end of {topic}/{partition} was not reached")

    def events(self, partition: int) -> list[Taken]:
        """What the receiver has published."""
        return self.read(self.names.events(NAMESPACE), partition)

    def outcomes(self, partition: int) -> list[OutcomeRecord]:
        """The outcome log of a partition, read."""
        return [self.outcome(record.value) for record in self.ledger(partition)]

    def ledger(self, partition: int) -> list[Taken]:
        """The outcome log of a partition."""
        return self.read(self.names.outcomes(NAMESPACE), partition)

    def replies(self, asker: int, ids: str, number: int) -> list[Taken]:
        """What was told at a partition of the replies of commands whose ids begin so, once that many are there."""

        def told() -> list[Taken]:
            found = [each for each in self.read(self.names.replies(), asker) if each.key.decode().startswith(ids)]  # type: ignore[union-attr]
            return found if len(found) >= number else []

        return eventually(told, SECONDS)

    def outcome(self, value: bytes | None) -> OutcomeRecord:
        """The outcome in a record of the outcome log, or in a reply."""
        line = self._lines.decode(value)
        assert isinstance(line, OutcomeRecord)
        return line

    def dead_letters(self, partition: int, group: str = RECEIVER) -> list[Taken]:
        """What a group has given up."""
        return self.read(self.names.dead_letters(self.names.group(group)), partition)


def _taken(message: Any) -> Taken:
    place = (message.topic(), message.partition(), message.offset())
    return Taken(*place, message.timestamp()[1], message.key(), message.value(), message.headers() or [])
