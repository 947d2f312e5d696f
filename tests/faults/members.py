"""The engine's core with real group members and without Faust: the test says who reads what, and when.

Memberships come from confluent-kafka consumers that join the group like anybody; the records are handed to the cores
by hand, so that what a kill or a pause makes likely now and then happens every time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, TopicPartition

import consumers.carts
import streams.carts
from tests.faults.all_dead import AllDead
from tests.faults.harness import AGGREGATE, INPUTS, PARTITIONS, Shop
from tests.kit.cluster import eventually
from verbwire.engine.builders.groups import aggregate_topology, table_topology
from verbwire.engine.group import GroupEngine
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.errors import VerbwireError
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.readers import consumed
from verbwire.kafka.record import ConsumedRecord
from verbwire.observability.metrics.registry import Metrics
from verbwire.wire.codec.topics import Codec
from verbwire.wire.registry.client import Registry


class Member:
    """One member of a group. It reads nothing: it is there for its generations and assignments."""

    def __init__(self, shop: Shop, group: str, name: str) -> None:
        self.name = name
        self.partitions: set[int] = set()
        self._group = shop.names.group(group)
        self._consumer = Consumer(
            {
                "bootstrap.servers": shop.cluster.bootstrap,
                "group.id": self._group,
                "group.instance.id": name,
                "partition.assignment.strategy": "range",
                "heartbeat.interval.ms": 100,
                "enable.auto.commit": False,
                "log_level": 3,
            }
        )
        topic = f"{shop.prefix}.{INPUTS[group]}"
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def now(self) -> tuple[int, str]:
        """Return generation and member id as they are now."""
        rest = bytes(self._consumer.consumer_group_metadata()).removeprefix(b"CGMDv2:")
        return struct.unpack("<i", rest[:4])[0], rest[4:].split(b"\0")[1].decode()

    def membership(self) -> GroupMetadata:
        """Return the membership as it is now."""
        return GroupMetadata(self._group, *self.now(), self.name)

    def poll(self) -> None:
        """Let the client do what it has to."""
        self._consumer.poll(0.02)

    def _assigned(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._consumer.assign(partitions)
        self._consumer.pause(partitions)
        self.partitions = {each.partition for each in partitions}

    def _revoked(self, *_: Any) -> None:
        self.partitions = set()


def share(*members: Member) -> None:
    """Wait until these members have divided all partitions among them, in one generation."""

    def shared() -> bool:
        for member in members:
            member.poll()
        parts = [each for member in members for each in member.partitions]
        generations = {member.now()[0] for member in members}
        return sorted(parts) == list(range(PARTITIONS)) and len(generations) == 1

    eventually(shared, 30, every=0)


class CoreWorker:
    """The core of one group under a worker's name."""

    def __init__(self, shop: Shop, group: str, name: str) -> None:
        codec = Codec(shop.catalog, Registry(shop.cluster.registry_url, {}), shop.names)
        if group == AGGREGATE:
            notifier = ReplyNotifier({"bootstrap.servers": shop.cluster.bootstrap}, shop.names.replies())
            topology = aggregate_topology(consumers.carts.carts, codec, PARTITIONS, notifier, BrokerClock())
            contract = shop.catalog.of(consumers.carts.carts.state)
        else:
            topology = table_topology(streams.carts.carts, codec, PARTITIONS)
            contract = shop.catalog.of(streams.carts.carts.row)
        self._shop = shop
        self._topic = f"{shop.prefix}.{INPUTS[group]}"
        self.name = name
        self.engine = GroupEngine(
            topology,
            {"bootstrap.servers": shop.cluster.bootstrap},
            shop.names,
            name,
            shop.tables / name,
            StoreReader(group, contract, PARTITIONS),
            Metrics().group(topology.group),
            AllDead(),
        )

    def __enter__(self) -> Self:
        self.engine.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.close()

    def prepare(self, partitions: Iterable[int]) -> dict[int, int]:
        """Take these partitions over; return where to read on."""
        left, first, starts = set(partitions), True, dict[int, int]()

        def prepared() -> bool:
            nonlocal first
            found = self.engine.restore(sorted(left), lambda: False, first)
            first = False
            starts.update({partition: inputs[self._topic] for partition, inputs in found.items()})
            left.difference_update(found, self.engine.stopped())
            return not left

        eventually(prepared, 30)
        return starts

    def process(self, records: Iterable[ConsumedRecord], membership: Any) -> VerbwireError | None:
        """Deal with these records and wait for their commits; return what went wrong."""
        batch: dict[tuple[str, int], list[ConsumedRecord]] = {}
        for record in records:
            batch.setdefault((record.topic, record.partition), []).append(record)
        try:
            self.engine.process(batch, membership, lambda: True)
        except VerbwireError as error:
            return error
        eventually(lambda: not self.engine.busy(), 30, every=0.005)
        return self.engine.failure

    def catch_up(self, member: Member) -> None:
        """Take over what the member has, and deal with everything that is left there."""
        starts = self.prepare(member.partitions)
        todo = [each for each in inputs(self._shop, self._topic) if each.offset >= starts.get(each.partition, 1 << 60)]
        failure = self.process(todo, member.membership())
        assert failure is None, failure


def inputs(shop: Shop, topic: str, partitions: Iterable[int] = range(PARTITIONS)) -> list[ConsumedRecord]:
    """Return the committed records of these partitions, in order."""
    wanted = set(partitions)
    return [each for each in map(consumed, shop.topics.messages(topic)) if each.partition in wanted]
