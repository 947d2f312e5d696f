"""The Kafka and the registry that a test run uses, and how to wait for them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

T = TypeVar("T")

KAFKA_IMAGE = "apache/kafka:4.4.0"
REGISTRY_IMAGE = "apicurio/apicurio-registry:3.3.3"
_START_SECONDS = 180
# As in docker-compose.yml; what is not a test's business is left to the defaults.
_ONE_NODE = {
    "NODE_ID": "1",
    "PROCESS_ROLES": "broker,controller",
    "CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
    "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "INTER_BROKER_LISTENER_NAME": "INSIDE",
    "LISTENERS": "INSIDE://127.0.0.1:19092,OUTSIDE://:9092,CONTROLLER://127.0.0.1:9093",
    "LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
    "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS": "1000",
    "AUTO_CREATE_TOPICS_ENABLE": "false",
}


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
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

    kafka = DockerContainer(KAFKA_IMAGE)
    host = kafka.get_container_host_ip().replace("localhost", "127.0.0.1")
    port = _free_port()  # clients are told where it is before it is there
    for name, value in {
        **_ONE_NODE,
        "ADVERTISED_LISTENERS": f"INSIDE://127.0.0.1:19092,OUTSIDE://{host}:{port}",
    }.items():
        kafka.with_env(f"KAFKA_{name}", value)
    # Nobody but this machine, where that is the machine that the containers run on.
    kafka.ports[9092] = (host, port) if host == "127.0.0.1" else port
    kafka.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(_START_SECONDS))
    registry = DockerContainer(REGISTRY_IMAGE).with_exposed_ports(8080)
    answers = HttpWaitStrategy(8080, "/apis/ccompat/v7/subjects").for_status_code(200)
    registry.waiting_for(answers.with_startup_timeout(_START_SECONDS))
    with kafka, registry:
        address = f"http://{registry.get_container_host_ip()}:{registry.get_exposed_port(8080)}/apis/ccompat/v7"
        yield Cluster(f"{host}:{port}", address)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
