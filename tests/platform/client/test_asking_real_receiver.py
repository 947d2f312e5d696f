"""Asking a real receiver: one outcome for one id, whoever waits for it and wherever they find it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.kit.bank import CATALOG, SCOPES, Bank
from tests.kit.cluster import eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import JarSeal, PutCoins, SealJar, TakeCoins
from tests.kit.scripted_receiver import REPLY_SECONDS, by_replies_alone
from verbwire.client import Client, CommandHandle, Connection, Principal
from verbwire.errors import OutcomeUnknownError
from verbwire.messages import FORBIDDEN, ID_REUSED, Accepted, Command, Expired, Failed, Outcome, Rejected

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def connection(bank: Bank) -> Connection:
    cluster = bank.cluster
    return Connection(cluster.bootstrap, cluster.registry_url, bank.names, CATALOG, Principal("ann", SCOPES))


@pytest.fixture(scope="module")
def client(connection: Connection) -> Iterator[Client]:
    with Client(connection) as opened:
        yield by_replies_alone(opened)


@pytest.fixture
def jar(bank: Bank, partition: int) -> str:
    """A new jar that lies in the test's partition."""
    return bank.key(partition)


def asked(client: Client, engine: Engine, command: Command, id: str | None = None, ttl: float | None = None) -> Outcome:
    """The outcome of a command that its receiver deals with as soon as it is there."""
    pending = client.ask(command, id=id, ttl=ttl)
    acknowledged(pending)
    engine.run()
    return pending.result(REPLY_SECONDS)


def acknowledged(pending: CommandHandle) -> str:
    return eventually(lambda: pending.token or "", every=0.002)


def test_every_outcome_comes_back_from_the_receiver(
    connection: Connection, client: Client, receiver: Engine, jar: str
) -> None:
    assert asked(client, receiver, PutCoins(jar_id=jar, pence=5)) == Accepted()
    assert asked(client, receiver, TakeCoins(jar_id=jar, pence=9)) == Rejected("not_enough")
    outcome = asked(client, receiver, PutCoins(jar_id=jar, pence=5, how="raises"))
    assert isinstance(outcome, Failed)
    assert "the jar fell down" in outcome.reason
    assert asked(client, receiver, PutCoins(jar_id=jar, pence=5), ttl=0.001) == Expired()
    with Client(replace(connection, principal=Principal("bob"))) as another:
        outcome = asked(by_replies_alone(another), receiver, TakeCoins(jar_id=jar, pence=1))
    assert isinstance(outcome, Rejected)
    assert outcome.code == FORBIDDEN


def test_a_reply_is_typed_and_an_id_has_one_outcome(
    bank: Bank, client: Client, receiver: Engine, jar: str, partition: int
) -> None:
    sealed = Accepted(reply=JarSeal(jar_id=jar, number=7))
    assert asked(client, receiver, SealJar(jar_id=jar), id=f"{jar}-1") == sealed
    assert asked(client, receiver, SealJar(jar_id=jar), id=f"{jar}-1") == sealed
    assert asked(client, receiver, SealJar(jar_id=jar), id=f"{jar}-2") == Rejected("sealed_already")
    reused = asked(client, receiver, SealJar(jar_id=jar, how="reply alone"), id=f"{jar}-1")
    assert isinstance(reused, Rejected)
    assert reused.code == ID_REUSED
    (event,) = bank.events(partition)
    assert client.positions.known()[event.topic, partition] == event.offset + 1


def test_resume_gets_the_outcome_of_a_receiver_that_was_down(
    bank: Bank, connection: Connection, client: Client, receiver: Engine, jar: str, partition: int
) -> None:
    pending = client.ask(SealJar(jar_id=jar))
    acknowledged(pending)
    with pytest.raises(OutcomeUnknownError) as unknown:
        pending.result(0.05)
    with Client(connection) as another:
        resumed = another.resume(unknown.value.token or "")
        receiver.run()
        assert resumed.result(30) == pending.result(30) == Accepted(reply=JarSeal(jar_id=jar, number=7))
        assert resumed.events == pending.events
        assert another.positions.known() == {(bank.names.events("bank.jars"), partition): 1}
