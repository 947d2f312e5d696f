"""A tower of bells, some of which ring later: a receiver, and what rings them, for schedulers."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from msgspec.structs import replace

from tests.kit.cluster import Cluster
from tests.kit.samples.tower.bells import BellRung, BellState, MuteBell, OilBell, RingBell
from tests.kit.worker import SECRET, ProjectFolder
from verbwire import Aggregate
from verbwire.client import Client, Connection
from verbwire.contracts.schema.load import load_catalog
from verbwire.names import Names
from verbwire.principal import Principal
from verbwire.wire.grants.policy import Grants

SAMPLES = Path(__file__).parent / "samples/tower"
CATALOG = load_catalog(SAMPLES)
NAMESPACE = "tower.bells"
SCHEDULER = "tower.bells.scheduler"
SCOPES = ("bells:ring",)


def receiver() -> Aggregate[BellState]:
    """The receiver of what is done to bells; each ring is an event with its note."""
    bells = Aggregate(NAMESPACE, state=BellState)

    @bells.handles
    def ring(command: RingBell, _: BellState | None) -> BellRung:
        return BellRung(bell_id=command.bell_id, note=command.note)

    @bells.handles
    def mute(command: MuteBell, _: BellState | None) -> BellState:
        return BellState(bell_id=command.bell_id)

    @bells.handles
    def oil(command: OilBell, _: BellState | None) -> BellRung:
        return BellRung(bell_id=command.bell_id, note=f"oiled {command.note}")

    @bells.applies
    def rung(bell: BellState | None, event: BellRung) -> BellState:
        bell = bell or BellState(bell_id=event.bell_id)
        return replace(bell, times=bell.times + 1)

    return bells


def ringing(bell: str = "a", note: str = "") -> RingBell:
    """A command that may be sent for later."""
    return RingBell(bell_id=bell, note=note)


CONSUMERS = """
from msgspec.structs import replace

from schemas.bells import BellRung, BellState, MuteBell, OilBell, RingBell
from verbwire import Aggregate

bells = Aggregate("tower.bells", state=BellState)

@bells.handles
def ring(command: RingBell, _: BellState | None) -> BellRung:
    return BellRung(bell_id=command.bell_id, note=command.note)

@bells.handles
def mute(command: MuteBell, _: BellState | None) -> BellState:
    return BellState(bell_id=command.bell_id)

@bells.handles
def oil(command: OilBell, _: BellState | None) -> BellRung:
    return BellRung(bell_id=command.bell_id, note=command.note)

@bells.applies
def rung(bell: BellState | None, event: BellRung) -> BellState:
    bell = bell or BellState(bell_id=event.bell_id)
    return replace(bell, times=bell.times + 1)
"""
EVERY_SECOND = """
from schemas.bells import MuteBell
from verbwire import Schedule

hours = Schedule("tower.bells.seconds", cron="* * * * * *", missed="all",
                 sends=lambda due: MuteBell(bell_id=f"{due:%H:%M:%S}"))
"""


class Tower(ProjectFolder):
    """A project of the tower on topics of its own, in two partitions."""

    def __init__(self, folder: Path, cluster: Cluster, schedule: str = "") -> None:
        self.names = Names("tower", f"t{uuid.uuid4().hex[:10]}")
        super().__init__(folder, cluster, self.names)
        for each in ("schemas", "consumers", "streams"):
            shutil.rmtree(folder / each)
        shutil.copytree(SAMPLES, folder / "schemas")
        self.write("pyproject.toml", '[tool.verbwire]\nproject = "tower"\n')
        self.write("consumers/bells.py", CONSUMERS + schedule)
        self.environment |= {"VERBWIRE_PARTITIONS": "2", "VERBWIRE_GRANT_SECRETS": SECRET}
        self.cluster = cluster
        deployed = self.run("deploy")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    def client(self) -> Client:
        """A client that may ring bells."""
        principal = Principal("ann", SCOPES)
        grants = Grants("off", lambda: (SECRET,))
        addresses = self.cluster.bootstrap, self.cluster.registry_url
        connection = Connection(*addresses, self.names, CATALOG, principal, grants=grants)
        return Client(connection)

    def delivered(self) -> list[Message]:
        """The commands that lie in the receiver's topic, committed ones alone, by partition."""
        topic = self.names.commands(NAMESPACE)
        settings = {"group.id": "reads-only", "isolation.level": "read_committed", "enable.partition.eof": True}
        reader = Consumer({"bootstrap.servers": self.cluster.bootstrap, **settings, "auto.offset.reset": "earliest"})
        found, left = list[Message](), {0, 1}
        reader.assign([TopicPartition(topic, p, 0) for p in left])
        while left:
            message = reader.poll(10.0)
            assert message is not None, f"{topic} is not read to its end"
            if message.error() is None:
                found.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
        reader.close()
        return found


@contextmanager
def tower(folder: Path, cluster: Cluster, schedule: str = "") -> Iterator[Tower]:
    """A project of the tower; its processes end with the block."""
    opened = Tower(folder, cluster, schedule)
    try:
        yield opened
    finally:
        opened.kill()
