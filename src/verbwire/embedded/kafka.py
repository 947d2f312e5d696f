"""Apache Kafka in KRaft mode: configuration, format and command line of each node, and when it answers.

A node is controller and broker at once. One node is quick and small; three replicate (min.insync.replicas 2).
"""

from __future__ import annotations

import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from verbwire.embedded.artifacts import KAFKA
from verbwire.embedded.installation import ClassPath
from verbwire.embedded.java import LOG4J, Program
from verbwire.embedded.ports import HOST
from verbwire.embedded.processes import TAIL_LINES, Child, clean_environment
from verbwire.errors import StackError
from verbwire.security.private_files import UMASK

_FORMAT_SECONDS = 60
# A node that is put out of its cluster for a moment, and is the only one, skips the marks of the transactions that end
# just then ("likely deleted already", Kafka 4.4): they hang for ever, and who reads what is committed stands still
# before them. So it is never put out, however long the machine stalls: nobody could take over from it anyway.
_ALONE = {"broker.session.timeout.ms": str(24 * 3600 * 1000)}
# But a cluster lets a node that was killed in only after it has put it out. That happens apart: nobody reaches the node
# meanwhile, and it ends no transaction by itself.
_APART = {
    "broker.session.timeout.ms": "5000",
    "broker.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": str(3600 * 1000),
}
_UNFENCED = b"Kafka Server started"


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a cluster: its number, from 1, and its two ports on the loopback address."""

    number: int
    port: int
    controller_port: int

    @property
    def name(self) -> str:
        """The name of its process, folder and log."""
        return f"kafka-{self.number}"

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"{HOST}:{self.port}"


def properties(node: Node, cluster: Sequence[Node], data: Path) -> dict[str, str]:
    """The node's server.properties."""
    replicas = str(min(3, len(cluster)))
    in_sync = str(2 if len(cluster) >= 3 else 1)
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        # Static voters, re-read at every start: unlike a dynamic quorum's they may change ports between runs.
        "controller.quorum.voters": ",".join(f"{n.number}@{HOST}:{n.controller_port}" for n in cluster),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{node.address},CONTROLLER://{HOST}:{node.controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "num.partitions": "1",
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "10",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "10",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": "0",
        # A dead worker's transaction is aborted within a second of its timeout, not within ten.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        **(_ALONE if len(cluster) == 1 else {}),
        "controlled.shutdown.max.retries": "1" if len(cluster) == 1 else "3",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "log.segment.bytes": str(256 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
    }


def program(class_path: ClassPath) -> Program:
    """Return the program that runs the brokers."""
    return Program(KAFKA, class_path, LOG4J)


class Broker:
    """One node in its folder: prepared once, started any number of times."""

    def __init__(self, node: Node, cluster: Sequence[Node], folder: Path, runs: Program) -> None:
        self.node = node
        # An upper bound. In a cluster each node has its own partitions and the copies of all others': with 320 MB the
        # tests' thousands of them ended in an OutOfMemoryError, after minutes of collecting.
        self._heap = "512m" if len(cluster) == 1 else "1g"
        self._folder = folder
        self._program = runs
        self._data = folder / node.name
        self._properties = properties(node, cluster, self._data)
        self._config = self._write(node.name, self._properties)
        self._alone = len(cluster) == 1

    def prepare(self) -> None:
        """Format the data folder unless it is formatted. Raises :class:`StackError` with the tool's last lines."""
        if (self._data / "meta.properties").exists():
            return
        arguments = ("format", "-t", cluster_id(self._folder), "-c", str(self._config), "--ignore-formatted")
        try:
            done = subprocess.run(
                self._program.command("kafka.tools.StorageTool", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=clean_environment(),
                umask=UMASK,
                timeout=_FORMAT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StackError(
                f"formatting {self._data} took more than {_FORMAT_SECONDS} s: the machine is too busy, try again"
            ) from None
        if done.returncode:
            lines = done.stdout.splitlines()[-TAIL_LINES:]
            raise StackError(f"formatting {self._data} failed; the tool said:\n" + "\n".join(lines))

    def start(self) -> Child:
        """Start the process; it answers a few seconds later, see :func:`answers`."""
        return self._start(self._config, self.node.name)

    def needs_unfencing(self) -> bool:
        """Whether it is the only node, and was killed: its controller fences it, and it does not know that yet."""
        ran, ended = self._data / "meta.properties", self._data / ".kafka_cleanshutdown"
        return self._alone and ran.exists() and not ended.exists()

    def start_apart(self) -> Child:
        """Start it on ports that no client knows, until its controller has unfenced it (:meth:`is_unfenced`)."""
        listeners = self._properties["listeners"].replace(f"{self.node.address},", f"{HOST}:0,")
        name = f"{self.node.name}-apart"
        return self._start(self._write(name, {**self._properties, **_APART, "listeners": listeners}), name)

    def is_unfenced(self, apart: Child) -> bool:
        """Whether the controller has unfenced it."""
        return _UNFENCED in apart.log.read_bytes()

    def _start(self, config: Path, log: str) -> Child:
        command = self._program.command("kafka.Kafka", str(config), options=(f"-Xmx{self._heap}", "-Xms128m"))
        return Child(self.node.name, command, self._folder / f"{log}.log")

    def _write(self, name: str, properties: dict[str, str]) -> Path:
        file = self._folder / f"{name}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), "utf-8")
        return file


def cluster_id(folder: Path) -> str:
    """The id of the folder's cluster, made at first need: no node ever talks to another stack's by mistake."""
    path = folder / "cluster-id"
    if not path.exists():
        # The first byte makes a letter the first character: the tool takes a leading hyphen for an option.
        fresh = path.with_name("cluster-id.part")
        fresh.write_bytes(urlsafe_b64encode(b"v" + uuid4().bytes[1:]).rstrip(b"="))
        fresh.replace(path)
    return path.read_text("ascii")


def answers(bootstrap: str, brokers: int) -> bool:
    """Whether the cluster answers and has this many live brokers. Waits a fraction of a second."""
    # Refused connections are the expected state of a start: librdkafka need not log them.
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 2000})
    try:
        return len(admin.list_topics(timeout=0.5).brokers) == brokers
    except KafkaException:
        return False
