"""A Kafka that wants a password or a certificate, of every client that a project's processes have."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.bank import CATALOG, Bank
from tests.kit.cluster import Cluster
from tests.kit.guarded_broker import PASSWORD, GuardedBroker, guarded_broker
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.worker import Branch, ProjectFolder, branch
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.errors import UnavailableError
from verbwire.kafka.connectivity import require_kafka
from verbwire.names import Names
from verbwire.wire.partitioner import partition_of

pytestmark = pytest.mark.kafka

PARTITIONS = 2
PATIENCE = 9.0  # one that is not there is waited for longer


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    with guarded_broker(tmp_path_factory.mktemp("guarded")) as opened:
        yield opened


@pytest.fixture
def bank(guarded: GuardedBroker, cluster: Cluster) -> Iterator[Bank]:
    opened = Bank(Cluster(guarded.open, cluster.registry_url), f"g{uuid.uuid4().hex[:10]}", PARTITIONS)
    yield opened
    opened.close()


@pytest.fixture
def project(bank: Bank, tmp_path: Path) -> Iterator[Branch]:
    with branch(tmp_path, bank) as opened:
        yield opened


@pytest.fixture
def never_deployed(guarded: GuardedBroker, cluster: Cluster, tmp_path: Path, unique: str) -> Iterator[ProjectFolder]:
    """A project whose processes get no further than to the door."""
    opened = ProjectFolder(tmp_path, Cluster(guarded.open, cluster.registry_url), Names("bank", unique))
    yield opened
    opened.kill()


def knock(project: ProjectFolder, address: str, kafka: dict[str, str]) -> None:
    """From now on its processes reach Kafka so."""
    project.environment |= {"VERBWIRE_BOOTSTRAP": address, "VERBWIRE_KAFKA": json.dumps(kafka)}


@pytest.mark.parametrize("how", [pytest.param("PLAIN", marks=pytest.mark.chaos), "SCRAM-SHA-512", "certificate"])
def test_a_worker_and_the_command_line_are_let_in(
    guarded: GuardedBroker, bank: Bank, project: Branch, how: str
) -> None:
    if how == "certificate":
        knock(project, guarded.certificates, guarded.by_certificate())
    else:
        knock(project, guarded.passwords, guarded.by_password(how))
    deployed = project.run("deploy", VERBWIRE_PARTITIONS=str(PARTITIONS))
    assert (deployed.returncode, deployed.stderr) == (0, ""), deployed.stderr
    worker = project.start().ready()
    for number in range(20):
        command = PutCoins(jar_id=f"jar-{number % 5}", pence=number, how="")
        bank.send(command, partition_of(command.jar_id.encode(), PARTITIONS), id=f"c{number}")
    worker.has({f"jar-{each}": sum(range(each, 20, 5)) for each in range(5)})
    code, _ = worker.ends(signal.SIGTERM, 20)
    assert (code, PASSWORD in worker.said()) == (0, False), worker.said()[-3000:]


@pytest.mark.parametrize("arguments", [("deploy",), ("worker",), ("workers",), ("dead-letters", "list")])
def test_authentication_that_fails_is_told_at_once(
    guarded: GuardedBroker, never_deployed: ProjectFolder, arguments: tuple[str, ...]
) -> None:
    project = never_deployed
    wrong = PASSWORD.upper()
    knock(project, guarded.passwords, guarded.by_password("PLAIN", wrong))
    began = time.monotonic()
    done = project.run(*arguments)
    *_, last = done.stderr.strip().splitlines()
    assert (done.returncode, "does not let us in" in last, "username or password" in last) == (3, True, True), last
    assert (wrong in done.stderr, time.monotonic() - began < PATIENCE) == (False, True), done.stderr


def test_authentication_of_a_client_that_fails_is_told(guarded: GuardedBroker, cluster: Cluster, unique: str) -> None:
    by_password = guarded.by_password("SCRAM-SHA-512", "wrong")
    at = (guarded.passwords, cluster.registry_url, Names("bank", unique), CATALOG)
    connection = Connection(*at, kafka=by_password, delivery_seconds=2)
    with Client(connection) as client, pytest.raises(UnavailableError, match="invalid credentials"):
        client.send(PutCoins(jar_id="jar-1", pence=1, how=""))
    assert "wrong" not in repr(connection)


def test_a_certificate_is_needed_where_the_broker_asks_for_one(guarded: GuardedBroker) -> None:
    kafka = {"security.protocol": "SSL", "ssl.ca.location": str(guarded.authority)}
    with pytest.raises(UnavailableError, match="certificate required"):
        require_kafka({**kafka, "bootstrap.servers": guarded.certificates})
