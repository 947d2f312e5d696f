"""What stands on the cluster and is declared no longer: told by every deployment, deleted when somebody says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.kit.cli import library, place, verbwire
from tests.kit.cluster import Cluster, eventually
from verbwire.deploy import leftovers
from verbwire.kafka.record import ConsumedRecord
from verbwire.names import Names
from verbwire.wire.records.dead_letters import dead_letter_headers

pytestmark = pytest.mark.kafka
SETTINGS = "partitions = 2\n"


@pytest.fixture
def admin(cluster: Cluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": cluster.bootstrap})


@pytest.fixture
def where(cluster: Cluster, unique: str) -> dict[str, str]:
    return place(cluster.bootstrap, cluster.registry_url, unique)


@pytest.fixture
def deployed(tmp_path: Path, where: dict[str, str]) -> Path:
    """A library that was deployed with a table, and has it no more."""
    folder = library(tmp_path, settings=SETTINGS)
    assert verbwire(folder, "schemas", "generate").returncode == 0
    first = verbwire(folder, "deploy", **where)
    assert first.returncode == 0, first.stderr
    assert "no longer declared" not in first.stdout
    (folder / "streams" / "reports" / "lent.py").unlink()
    return folder


@pytest.fixture
def reader(cluster: Cluster) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "somebody.else"})
    yield consumer
    consumer.close()


def produce(cluster: Cluster, topic: str) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for number in range(3):
        producer.produce(topic, b"kept", partition=number % 2)
    assert producer.flush(20) == 0


def test_leftovers_are_told_and_a_script_deletes_the_empty_topics(
    deployed: Path, where: dict[str, str], unique: str, cluster: Cluster, admin: AdminClient
) -> None:
    letters, changelog = f"{unique}.library.lent.dead-letters", f"{unique}.library.lent-lent-changelog"
    requests = f"{unique}.library.lent.requests"
    produce(cluster, letters)
    told = json.loads(verbwire(deployed, "deploy", "--json", **where).stdout)
    assert told["no_longer_declared"] == {
        "topics": {changelog: 0, letters: 3, requests: 0},
        "groups": [],
        "subjects": [],
        "notes": [],
    }
    dry = verbwire(deployed, "deploy", "--prune", "--dry-run", **where).stdout
    assert f"no longer declared: topic {letters} (3 records)" in dry
    assert "deleted" not in dry
    pruned = verbwire(deployed, "deploy", "--prune", "--yes", **where).stdout
    assert f"deleted topic {changelog} (empty)" in pruned
    assert f"kept: topic {letters} (3 records)" in pruned
    eventually(lambda: changelog not in admin.list_topics(timeout=10).topics)
    assert letters in admin.list_topics(timeout=10).topics


def test_leftovers_that_somebody_reads_are_kept_and_those_of_others_not_told(
    cluster: Cluster, admin: AdminClient, unique: str, reader: Consumer
) -> None:
    names = Names("library", unique)
    old = [names.events("library.old"), names.events("library.read"), names.events("library.others")]
    foreign = [f"{unique}.library.odd", f"{unique}.librarians.x.events", f"{unique}2.library.old.events"]
    for answer in admin.create_topics([NewTopic(name, 2, 1) for name in [*old, *foreign]]).values():
        answer.result()
    reader.subscribe([old[1]])
    there = leftovers.ClusterListing({"bootstrap.servers": cluster.bootstrap}, names)

    def read_by() -> bool:
        """Its group may balance once more after it has an assignment."""
        reader.poll(0.1)
        return there.leftovers([], ["library.loans"], ["library.others"]).read_by == {old[1]: "somebody.else"}

    assert eventually(read_by)
    found = there.leftovers([], ["library.loans"], ["library.others"])
    assert found.topics == {old[0]: 0, old[1]: 0}
    produce(cluster, old[0])
    again = there.leftovers([], [], ["library.others"])
    assert again.unread().topics == {old[0]: 3}
    assert again.unread().empty().topics == {}
    assert there.remove(again.unread()) == [f"topic {old[0]} (3 records)"]
    assert eventually(lambda: old[0] not in admin.list_topics(timeout=10).topics)


def test_dead_letters_are_whole_in_a_pipe_and_steer_no_terminal(
    deployed: Path, where: dict[str, str], unique: str, cluster: Cluster
) -> None:
    evil = "\x1b[2J[bold]\u202e" + "long" * 30 + "\nplace: forged"
    headers = [("ce_id", evil.encode()), ("ce_type", b"library.loans.BorrowBook")]
    record = ConsumedRecord(f"{unique}.library.loans.commands", 1, 7, 1_000, b"k", b"v", headers)
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    letters = f"{unique}.library.loans.aggregate.dead-letters"
    producer.produce(letters, b"v", b"k", partition=1, headers=dead_letter_headers(record, "undecodable", evil))
    assert producer.flush(20) == 0
    shown = "\\x1b[2J[bold]\\u202e" + "long" * 30 + "\\nplace: forged"
    listed = verbwire(deployed, "dead-letters", "list", **where).stdout
    assert listed.count("\n") == 2
    assert shown in listed
    assert "1/0" in listed
    one = verbwire(deployed, "dead-letters", "show", "library.loans.aggregate", "1/0", **where).stdout
    assert "\x1b" not in one
    assert "\nplace: forged" not in one
    (found,) = json.loads(verbwire(deployed, "dead-letters", "list", "--json", **where).stdout)["letters"]
    assert (found["id"], found["place"], found["type"]) == (evil, "1/0", "library.loans.BorrowBook")
    (worker,) = [verbwire(deployed, "workers", "--json", **where)]
    assert json.loads(worker.stdout) == []
