"""Hearing replies: from the moment on at which the listener says so, every one of them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.kit.cluster import Cluster, delete, eventually
from verbwire.client.asking.reply_listener import ReplyListener
from verbwire.client.base.connection import Connection
from verbwire.contracts.schema.model import Catalog
from verbwire.deploy.deployment import deploy
from verbwire.deploy.target import Target
from verbwire.errors import ContractError
from verbwire.names import Names

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[Connection]:
    names = Names("office", f"t{uuid.uuid4().hex[:10]}")
    deployed = deploy(Target(cluster.bootstrap, cluster.registry_url, names), Catalog(), [])
    yield Connection(cluster.bootstrap, cluster.registry_url, names, Catalog(), delivery_seconds=5.0)
    delete(cluster.bootstrap, deployed.topics)


@contextmanager
def talking(connection: Connection) -> Iterator[dict[int, int]]:
    """Somebody who counts aloud in every partition of the replies; gives the number that is being said in each."""
    producer, stopping, said = (
        Producer({"bootstrap.servers": connection.bootstrap, "enable.idempotence": True}),  # in order
        threading.Event(),
        dict[int, int](),
    )

    def talk() -> None:
        for number in count():
            if stopping.is_set():
                return
            for partition in range(12):
                said[partition] = number  # before it is: what comes after it is said after whoever reads this here
                producer.produce(connection.names.replies(), b"x", b"%d" % number, partition)
            producer.poll(0.001)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield said
    finally:
        stopping.set()
        thread.join()
        producer.flush(10)


class Assigned:
    """A consumer whose assignment is remembered: to ask it, while another thread polls, may wait for ever."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.places: list[TopicPartition] = []

    def assign(self, places: list[TopicPartition]) -> None:
        self.places = places
        self._consumer.assign(places)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


def test_a_reply_is_not_missed_once_the_listener_is_ready(connection: Connection) -> None:
    with talking(connection) as said:
        eventually(lambda: len(said) == 12)
        for _ in range(4):
            heard: list[int] = []
            listener = ReplyListener(connection, lambda id, _, heard=heard: heard.append(int(id)))  # type: ignore[misc]
            assigned = listener._consumer = Assigned(listener._consumer)
            listener.start()
            before = said[listener.partition]
            # A place that is resolved later ("the end") misses what comes in between, a window too short to be met.
            assert [each.offset >= 0 for each in assigned.places] == [True]
            eventually(lambda heard=heard: len(heard) > 20)  # type: ignore[misc]
            listener.stop()
            listener.join()
            assert heard[0] <= before + 1
            assert heard == list(range(heard[0], heard[-1] + 1))


def test_a_listener_without_its_topic_says_what_to_do(connection: Connection) -> None:
    elsewhere = replace(connection, names=Names("office", f"{connection.names.prefix}x"))
    with pytest.raises(ContractError, match="verbwire deploy"):
        ReplyListener(elsewhere, print).start()
