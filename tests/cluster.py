"""The Kafka and the registry that a test run uses, and how to wait for them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

T = TypeVar("T")

KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"
REGISTRY_IMAGE = "apicurio/apicurio-registry:3.3.3"


@dataclass(frozen=True)
class Cluster:
    """Where the broker and the registry of this run answer."""

    bootstrap: str
    registry_url: str


def eventually(condition: Callable[[], T], deadline: float = 30.0, every: float = 0.05) -> T:
    """Return what `condition` gives as soon as it is true; fail after `deadline` seconds with what it gave last."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(
                f"not within {deadline} s: {getattr(condition, '__name__', condition)} gave {result!r}"
            )
        time.sleep(every)


def records(bootstrap: str, topic: str, count: int, deadline: float = 30.0) -> list[Message]:
    """Return the records of a topic from its beginning, as soon as there are `count` of them."""
    fetching = {"group.id": "unused", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
    consumer = Consumer({"bootstrap.servers": bootstrap, **fetching})
    found: list[Message] = []

    def complete() -> bool:
        found.extend(consumer.consume(1000, 0.05))
        return len(found) >= count

    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])
        eventually(complete, deadline, every=0)
    finally:
        consumer.close()
    return found


def limit_records(bootstrap: str, topic: str, size: int) -> None:
    """Let the broker refuse records of a topic that are larger."""
    set_config(bootstrap, topic, "max.message.bytes", str(size))


def set_config(bootstrap: str, topic: str, name: str, value: str) -> None:
    """Change a setting of a topic, and wait until it is told so."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    next(iter(admin.incremental_alter_configs([resource]).values())).result()

    def changed() -> bool:
        (answer,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        return bool(answer.result()[name].value == value)

    eventually(changed)


def delete(bootstrap: str, topics: Iterable[str]) -> None:
    """Leave nothing on the broker: it may serve many runs."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_topics([*topics]).values():
        future.result()


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Give the cluster that the environment asks for.

    An address (VERBWIRE_BOOTSTRAP and VERBWIRE_REGISTRY), containers (TEST_BROKER=containers), or else the embedded
    stack with its data in `folder`. What was started here is stopped here.
    """
    bootstrap, registry = os.environ.get("VERBWIRE_BOOTSTRAP"), os.environ.get("VERBWIRE_REGISTRY")
    if bootstrap and registry:
        yield Cluster(bootstrap, registry)
    elif bootstrap or registry:
        raise RuntimeError("set both VERBWIRE_BOOTSTRAP and VERBWIRE_REGISTRY, or neither")
    elif os.environ.get("TEST_BROKER") == "containers":
        with _containers() as cluster:
            yield cluster
    else:
        with _embedded(folder) as cluster:
            yield cluster


@contextmanager
def _embedded(folder: Path) -> Iterator[Cluster]:
    from verbwire.embedded.stack import Stack

    stack = Stack(folder)
    stack.start(progress=False)
    try:
        yield Cluster(stack.bootstrap, stack.registry_url)
    finally:
        stack.stop()


@contextmanager
def _containers() -> Iterator[Cluster]:
    from testcontainers.community.kafka import KafkaContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    kafka = KafkaContainer(KAFKA_IMAGE).with_kraft()
    for name in ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"):
        kafka = kafka.with_env(name, "1")
    ready = HttpWaitStrategy(8080, "/apis/ccompat/v7/subjects").for_status_code(200)
    registry = DockerContainer(REGISTRY_IMAGE).with_exposed_ports(8080).waiting_for(ready)
    with kafka, registry:
        address = f"http://{registry.get_container_host_ip()}:{registry.get_exposed_port(8080)}/apis/ccompat/v7"
        yield Cluster(kafka.get_bootstrap_server(), address)
