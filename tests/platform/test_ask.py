"""Asking: the outcome comes to who asked, once, whatever else is said on the wire."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import msgspec
import pytest

from tests.cluster import Cluster
from tests.platform.notes import CATALOG, COMMAND, NAMESPACE
from tests.platform.played_receiver import PlayedReceiver
from verbwire.deploy import Target, deploy
from verbwire.messages import Accepted, Expired, Failed, Outcome, Rejected
from verbwire.names import Names
from verbwire.sdk import Client, Connection, Pending
from verbwire.wire.outcomes import OutcomeStatus

pytestmark = pytest.mark.kafka

OTHER = msgspec.structs.replace(COMMAND, words="buy coffee")


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Connection:
    names = Names("office", f"t{uuid.uuid4().hex[:10]}")
    deploy(Target(cluster.bootstrap, cluster.registry_url, names, partitions=3), CATALOG, [])
    return Connection(cluster.bootstrap, cluster.registry_url, names, CATALOG)


@pytest.fixture(scope="module")
def client(connection: Connection) -> Iterator[Client]:
    with Client(connection) as opened:
        yield opened


@pytest.fixture
def receiver(connection: Connection) -> Iterator[PlayedReceiver]:
    playing = PlayedReceiver(connection, NAMESPACE)
    yield playing
    playing.close()


def test_the_first_ask_of_a_client_hears_its_answer(connection: Connection, receiver: PlayedReceiver) -> None:
    for _ in range(3):
        with Client(connection) as client:
            pending = client.ask(COMMAND)
            receiver.answer(receiver.take())
            assert pending.result(1.5) == Accepted()  # by the hint: the ledger is read later
            assert pending.done()


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"status": OutcomeStatus.ACCEPTED}, Accepted()),
        (
            {"status": OutcomeStatus.REJECTED, "code": "full", "reason": "no room", "details": {"room": "0"}},
            Rejected("full", "no room", {"room": "0"}),
        ),
        ({"status": OutcomeStatus.FAILED, "reason": "fell", "fingerprint": b""}, Failed(reason="fell")),
        ({"status": OutcomeStatus.EXPIRED, "fingerprint": b""}, Expired()),
    ],
)
def test_every_outcome_is_a_value(
    client: Client, receiver: PlayedReceiver, said: dict[str, object], outcome: Outcome
) -> None:
    pending = client.ask(COMMAND)
    receiver.answer(receiver.take(), **said)
    assert pending.result(1.5) == outcome
    assert asyncio.run(_awaited(pending)) == outcome


async def _awaited(pending: Pending) -> Outcome:
    return await pending
