"""Who may write or read what on a guarded Kafka, tried out for every principal and every topic; and forged grants."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tests.attack.trying import tried
from tests.kit import bank_jars
from tests.kit.bank import NAMESPACE
from tests.kit.cluster import Cluster
from tests.kit.guarded_broker import guarded_broker
from tests.platform.acls.test_guarded_cluster import BILLING, OPERATOR, TILL, WORKER, Office
from verbwire.acls.model import AclResource
from verbwire.acls.roles import ProjectResources, permissions_of
from verbwire.contracts.schema.load import load_catalog
from verbwire.declarations import Declared
from verbwire.deploy.group_plan import group_plans
from verbwire.wire.grants.grants import Claim, Presented, derive, fault, sign

pytestmark = [pytest.mark.kafka, pytest.mark.attack]

NOBODY = "nobody"  # known to the broker, without any role
ROLES = {OPERATOR: "operator", WORKER: "worker", TILL: f"producer:{NAMESPACE}", BILLING: "reader:billing", NOBODY: None}
SECRET = "s" * 32
FORGERIES = 20_000


@pytest.fixture(scope="module")
def office(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with guarded_broker(tmp_path_factory.mktemp("attacked"), [*ROLES]) as guarded:
        opened = Office(guarded, cluster.registry_url, tmp_path_factory.mktemp("attacked-office"))
        assert opened.project.run("acls", "--write").returncode == 0
        assert opened.project.run("deploy").returncode == 0
        yield opened


def resources(office: Office) -> ProjectResources:
    """What the project has there, without importing its modules into this process."""
    catalog = load_catalog(office.project.folder / "schemas")
    declared: list[Declared] = [bank_jars.receiver(), bank_jars.table()]
    return ProjectResources(office.names, catalog, group_plans(declared, catalog), {})


def may_read(office: Office, user: str, topic: str) -> bool:
    """Whether a user's consumer, in no group, is given records of a topic, or its end."""
    conf = {"group.id": "x", "enable.partition.eof": True, "log_level": 0, "fetch.wait.max.ms": 20}
    with closing(Consumer({"bootstrap.servers": office.guarded.passwords, **conf, **office.kafka(user)})) as consumer:
        known = consumer.list_topics(topic, timeout=30).topics[topic]
        if known.error is not None:  # librdkafka says nothing of an assignment that it may not even know of
            assert known.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, known.error
            return False
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        while True:
            message = consumer.poll(30.0)
            assert message is not None, f"{user}: neither records nor a refusal of {topic}"
            error = message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                return True
            if error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
                assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, error
                return False


def test_everybody_may_what_the_role_says_and_nothing_else(office: Office) -> None:
    known = resources(office)
    with tried("writing and reading every topic as every principal") as trying:
        for user, role in ROLES.items():
            granted = permissions_of(role, known) if role else frozenset()
            wanted = {
                operation: {
                    each.name for each in granted if each.resource is AclResource.TOPIC and each.operation == operation
                }
                & {*known.topics}
                for operation in ("READ", "WRITE")
            }
            with ThreadPoolExecutor(8) as pool:  # a refusal takes librdkafka seconds
                answers = dict(zip(known.topics, pool.map(partial(office.refused, user), known.topics), strict=True))
                readable = dict(zip(known.topics, pool.map(partial(may_read, office, user), known.topics), strict=True))
            assert {topic for topic, error in answers.items() if error == ""} == wanted["WRITE"], user
            assert {topic for topic, allowed in readable.items() if allowed} == wanted["READ"], user
            trying.inputs += 2 * len(known.topics)


def test_nobody_takes_a_transactional_id_of_a_workers(office: Office) -> None:
    """Who could, would put out a worker by its name."""
    known = resources(office)
    with tried("transactional ids of workers, by those who are none") as trying:
        for user in (OPERATOR, TILL, BILLING, NOBODY):
            for group in known.groups:
                conf = {"transactional.id": office.names.transactional_id(group, "w1", 0), "log_level": 0}
                producer = Producer({"bootstrap.servers": office.guarded.passwords, **conf, **office.kafka(user)})
                with pytest.raises(KafkaException) as refused:
                    producer.init_transactions(20)
                assert refused.value.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
                trying.inputs += 1


def test_no_forged_grant_is_good() -> None:
    """Whatever is changed in a good one: in its text, in what it is about, in the key that it was made with."""
    chance = random.Random(7)  # noqa: S311 (the same tries each time)
    claim = Claim("shop.orders", "ann", ("orders:write",))
    now = 1_795_000_000_000
    key = derive(SECRET, claim)
    with tried("forged grants", most_mb=20) as trying:
        for _ in range(FORGERIES):
            value = chance.randbytes(chance.randrange(1, 200))
            good = Presented(claim, sign(key, "c1", b"k", value, now + 1000), "c1", b"k", value, now)
            assert fault([SECRET], good) is None
            assert fault([SECRET], _forged(good, chance)) is not None
            trying.inputs += 1


def _forged(good: Presented, chance: random.Random) -> Presented:
    assert good.grant is not None
    match chance.randrange(7):
        case 0:
            place = chance.randrange(len(good.grant))
            changed = bytes([good.grant[place] ^ 1 << chance.randrange(8)])
            return replace(good, grant=good.grant[:place] + changed + good.grant[place + 1 :])
        case 1:
            return replace(good, grant=good.grant[: chance.randrange(len(good.grant))])
        case 2:
            return replace(good, grant=chance.randbytes(chance.randrange(100)))
        case 3:
            return replace(good, value=good.value + b"x")
        case 4:
            return replace(good, claim=replace(good.claim, actor=f"mallory-{chance.random()}" * chance.randrange(1, 9)))
        case 5:
            return replace(good, claim=replace(good.claim, scopes=(*good.claim.scopes, f"s{chance.random()}")))
        case _:
            return replace(good, timestamp=good.timestamp + 1001 + chance.randrange(10**9))
