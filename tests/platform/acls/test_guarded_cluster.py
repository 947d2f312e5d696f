"""A Kafka with KRaft's authorizer, and a project whose processes may do what `verbwire acls` says, and nothing else."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.kit.bank import CATALOG, NAMESPACE, RECEIVER, SCOPES, TABLE
from tests.kit.cluster import Cluster, eventually
from tests.kit.guarded_broker import GuardedBroker, guarded_broker
from tests.kit.samples.bank.jars import CoinsPut, PutCoins
from tests.kit.worker import ProjectFolder
from verbwire import Accepted
from verbwire.acls.cluster import ClusterAcls
from verbwire.acls.model import Acl, AclResource, Operation, Permission
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.errors import ConfigurationError, DeliveryError, NotAuthorizedError
from verbwire.names import Names
from verbwire.principal import Principal

pytestmark = pytest.mark.kafka

OPERATOR, WORKER, TILL, BILLING, CLERK = "operator", "worker", "till", "billing", "clerk"
PARTITIONS = 1
SECONDS = 10.0


class Office:
    """The project on the guarded broker, and its principals."""

    def __init__(self, guarded: GuardedBroker, registry: str, folder: Path) -> None:
        self.guarded = guarded
        self.names = Names("bank", f"a{uuid.uuid4().hex[:10]}")
        self.cluster = Cluster(guarded.open, registry)
        self.project = ProjectFolder(folder, self.cluster, self.names)
        self.project.run_seconds = 150.0  # of a command
        principals = {"operator": OPERATOR, "worker": WORKER, f"producer:{NAMESPACE}": TILL, "reader:billing": BILLING}
        self.project.environment |= {
            "VERBWIRE_PRINCIPALS": ";".join(f"{role}=User:{name}" for role, name in principals.items()),
            "VERBWIRE_PARTITIONS": str(PARTITIONS),
        }

    def kafka(self, user: str) -> dict[str, str]:
        return self.guarded.by_password("PLAIN", user=user)

    def acts_as(self, user: str | None) -> None:
        """From now on its processes come as this user; None: by the open door."""
        self.project.environment |= {
            "VERBWIRE_BOOTSTRAP": self.guarded.passwords if user else self.guarded.open,
            "VERBWIRE_KAFKA": json.dumps(self.kafka(user) if user else {}),
        }

    def client(self, user: str) -> Client:
        kafka = {"socket.timeout.ms": 5000, **self.kafka(user)}
        at = (self.guarded.passwords, self.cluster.registry_url, self.names, CATALOG)
        return Client(Connection(*at, Principal("tester", SCOPES), kafka, delivery_seconds=SECONDS))

    def rebuild_acls(self) -> None:
        """Write what the roles need by now, for a clerk who is operator and worker, too."""
        self.acts_as(None)
        every = ("operator", OPERATOR), ("operator", CLERK), ("worker", WORKER), ("worker", CLERK)
        flags = [text for role, name in every for text in ("--principal", f"{role}=User:{name}")]
        written = self.project.run("acls", "--write", *flags)
        assert written.returncode == 0, written
        self.acts_as(CLERK)

    def rebuild(self, *how: str) -> subprocess.CompletedProcess[str]:
        """Have a clerk rebuild the aggregate."""
        return self.project.run("rebuild", RECEIVER, *how)

    def rebuilt_with_its_acls(self, *how: str) -> subprocess.CompletedProcess[str]:
        """Take a step that makes topics: it ends with the ACL that is missing, and is done once that is written."""
        refused = self.rebuild(*how)
        assert (refused.returncode, refused.stderr.count("`verbwire deploy --acls`")) == (1, 1), refused
        assert "CREATE TOPIC" in refused.stderr
        assert "Traceback" not in refused.stderr
        self.rebuild_acls()
        done = self.rebuild(*how)
        assert done.returncode == 0, (how, done.stderr)
        return done

    def refused(self, user: str, topic: str) -> str:
        """What Kafka says to a user who writes to a topic."""
        said: list[str] = []
        producer = Producer({"bootstrap.servers": self.guarded.passwords, "log_level": 0, **self.kafka(user)})
        producer.produce(
            topic, b"value", b"key", on_delivery=lambda error, _: said.append(error.name() if error else "")
        )
        assert producer.flush(SECONDS) == 0
        return said[0]

    def read(self, user: str, group: str, topic: str) -> int | str:
        """How many records somebody's group finds in a topic at first, or why none."""
        conf = {"group.id": group, "auto.offset.reset": "earliest", "log_level": 0, "fetch.wait.max.ms": 50}
        consumer = Consumer({"bootstrap.servers": self.guarded.passwords, **conf, **self.kafka(user)})
        with closing(consumer):
            consumer.subscribe([topic])
            found = eventually(lambda: consumer.consume(100, 0.2))
            errors = [each.error().name() for each in found if each.error() is not None]
            return errors[0] if errors else len(found)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    with guarded_broker(tmp_path_factory.mktemp("authorized"), [OPERATOR, WORKER, TILL, BILLING, CLERK]) as opened:
        yield opened


@pytest.fixture(scope="module")
def office(guarded: GuardedBroker, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Who may alter the cluster writes the ACLs; from then on everybody is who they are."""
    opened = Office(guarded, cluster.registry_url, tmp_path_factory.mktemp("office"))
    written = opened.project.run("acls", "--write")
    assert (written.returncode, "\n0 of " in written.stdout) == (0, True), written
    opened.acts_as(OPERATOR)
    deployed = opened.project.run("deploy")
    assert (deployed.returncode, deployed.stderr) == (0, ""), deployed.stderr
    yield opened
    opened.project.kill()


def test_with_these_acls_a_project_works(office: Office) -> None:
    office.acts_as(WORKER)
    worker = office.project.start().ready()
    with office.client(TILL) as client:
        asked = [client.ask(PutCoins(jar_id=f"jar-{each}", pence=each)) for each in range(1, 4)]
        assert [each.result(SECONDS) for each in asked] == [Accepted()] * 3
    worker.has({f"jar-{each}": each for each in range(1, 4)})
    assert office.read(BILLING, "billing", office.names.events(NAMESPACE)) == 3
    assert "ACLs" not in worker.said()
    worker.process.terminate()
    assert worker.process.wait(20) == 0


def test_a_producer_may_send_commands_and_write_nothing_else(office: Office) -> None:
    names = office.names
    group = names.group(RECEIVER)
    assert office.refused(TILL, names.commands(NAMESPACE)) == ""
    for topic in (
        names.events(NAMESPACE),
        names.outcomes(NAMESPACE),
        names.changelog(group, "state"),
        names.changelog(names.group(TABLE), "jars"),
        names.dead_letters(group),
        names.workers(),
        names.replies(),
    ):
        assert office.refused(TILL, topic) == "TOPIC_AUTHORIZATION_FAILED", topic


def test_a_producer_of_one_context_may_not_send_the_commands_of_another(office: Office) -> None:
    other = office.names.commands("bank.tills")
    admin = AdminClient({"bootstrap.servers": office.guarded.open})
    next(iter(admin.create_topics([NewTopic(other, 1, 1)]).values())).result()
    assert office.refused(TILL, other) == "TOPIC_AUTHORIZATION_FAILED"


def test_a_foreign_group_may_read_events_and_no_commands(office: Office) -> None:
    assert office.read(BILLING, "billing", office.names.commands(NAMESPACE)) == "TOPIC_AUTHORIZATION_FAILED"
    assert office.read(BILLING, office.names.group(TABLE), office.names.events(NAMESPACE)) == (
        "GROUP_AUTHORIZATION_FAILED"
    )
    assert office.refused(BILLING, office.names.events(NAMESPACE)) == "TOPIC_AUTHORIZATION_FAILED"


def test_a_client_is_told_which_acl_is_missing_and_who_writes_it(office: Office) -> None:
    said = rf"WRITE TOPIC {office.names.events(NAMESPACE)}: .*`verbwire deploy --acls`"
    with office.client(TILL) as client, pytest.raises(NotAuthorizedError, match=said):
        client.publish(CoinsPut(jar_id="jar-1", pence=1))
    # It may know of the topic, and not write there: librdkafka's producer is beyond repair then.
    began = time.monotonic()
    with pytest.raises(DeliveryError, match=said), office.client(BILLING) as client:
        client.publish(CoinsPut(jar_id="jar-1", pence=1)).result(SECONDS)
    assert time.monotonic() - began < SECONDS, "waited for what cannot come"


@pytest.mark.parametrize("arguments", [("deploy",), ("worker",)])
def test_the_command_line_is_told_which_acl_is_missing(office: Office, arguments: tuple[str, ...]) -> None:
    office.acts_as(TILL)
    done = office.project.run(*arguments)
    *_, last = done.stderr.strip().splitlines()
    assert (done.returncode, done.stderr.count("`verbwire deploy --acls`")) == (1, 1), done.stderr
    assert f"TOPIC {office.names.prefix}." in last
    assert "Traceback" not in done.stderr


def test_acls_are_for_who_may_alter_the_cluster(office: Office) -> None:
    """librdkafka shows no ACLs, and no error, to who may not see them: nothing must be made of that."""
    acls = ClusterAcls({"bootstrap.servers": office.guarded.passwords, **office.kafka(OPERATOR)})
    with pytest.raises(ConfigurationError, match=r"who may DESCRIBE the CLUSTER.*`verbwire acls --script`"):
        acls.found()
    some = Acl("User:x", Permission(AclResource.TOPIC, "x", Operation.READ))
    with pytest.raises(ConfigurationError, match="who may ALTER the CLUSTER"):
        acls.create([some])


def test_acls_on_a_cluster_without_an_authorizer_are_not_said_to_protect(cluster: Cluster) -> None:
    acls = ClusterAcls({"bootstrap.servers": cluster.bootstrap})
    some = Acl("User:x", Permission(AclResource.TOPIC, "x", Operation.READ))
    with pytest.raises(ConfigurationError, match="no authorizer"):
        acls.found()
    with pytest.raises(ConfigurationError, match="no authorizer"):
        acls.create([some])


def test_acls_that_are_not_needed_are_removed_only_when_asked(office: Office) -> None:
    events = office.names.events(NAMESPACE)
    stray = Acl(f"User:{TILL}", Permission(AclResource.TOPIC, events, Operation.WRITE))
    acls = ClusterAcls({"bootstrap.servers": office.guarded.open})
    acls.create([stray])
    assert stray in acls.found()
    office.acts_as(None)
    asked = office.project.run("acls", "--prune")
    assert f"- User:{TILL} may WRITE TOPIC {events}: there and not needed" in asked.stdout, asked
    assert (asked.returncode, stray in acls.found()) == (1, True), asked  # nobody said yes
    assert "deleted 1 ACLs" in office.project.run("acls", "--prune", "--yes").stdout
    assert stray not in acls.found()


@pytest.mark.chaos
def test_with_these_acls_an_aggregate_is_rebuilt_exchanged_put_back_and_let_go(office: Office) -> None:
    """By who is operator and worker; each step that makes topics is told which ACLs to write, and goes on with them."""
    office.acts_as(WORKER)
    worker = office.project.start().ready()
    with office.client(TILL) as client:
        assert client.ask(PutCoins(jar_id="jar-1", pence=1)).result(SECONDS) == Accepted()
    office.rebuild_acls()
    assert "0 added, 0 removed, 0 changed" in office.rebuilt_with_its_acls().stdout
    for step, kept in (("--switch", 2), ("--rollback", 3)):
        done = office.rebuilt_with_its_acls(step)
        assert f"Generation {kept} keeps" in done.stdout, (done, worker.said()[-3000:])
        with office.client(TILL) as client:
            assert client.ask(PutCoins(jar_id="jar-1", pence=1)).result(SECONDS) == Accepted()
    forgotten = office.rebuild("--forget", "--yes")
    assert forgotten.returncode == 0, forgotten
    worker.process.terminate()
    assert worker.process.wait(20) == 0
