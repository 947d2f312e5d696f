"""Receivers that require grants: what is not proved is rejected, in sight of its sender, and burns no id."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.kit import bank_jars
from tests.kit.bank import CATALOG, NAMESPACE, SCOPES, SECONDS, Bank, Taken
from tests.kit.bank_tills import savings
from tests.kit.cluster import eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import JarState, PutCoins, TakeCoins
from tests.kit.samples.bank.tills import CoinsMoved
from verbwire.client.asking.asker import Asker
from verbwire.client.asking.pending_command import outcome_for
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.dead_letters.letter import DeadLetterPlace
from verbwire.dead_letters.requeue import DeadLetters
from verbwire.dead_letters.selection import Choice
from verbwire.engine.builders.process import process_topology
from verbwire.engine.processors.process import ProcessManagerProcessor
from verbwire.messages import Message
from verbwire.principal import Principal
from verbwire.wire.grants.grants import Claim, derive, sign
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import GRANT_HEADER, Envelope, Headers, HeaderTemplate
from verbwire.wire.keys import key_of
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.process_command_ids import CommandIds
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord, OutcomeStatus

pytestmark = pytest.mark.kafka

SECRET = "s" * 32
GRANTS = Grants("required", lambda: [SECRET])
TAKE = TakeCoins(jar_id="j", pence=1)


@pytest.fixture(scope="module")
def guarded(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("guarded")
    with Engine(bank, bank_jars.receiver(), [bank.partition()], folder, grants=GRANTS) as running:
        yield running


@pytest.fixture
def receiver(guarded: Engine, partition: int) -> Engine:
    """The receiver, on the test's partition, which requires grants."""
    guarded.own(partition)
    return guarded


def send(
    bank: Bank, partition: int, message: Message, id: str, *, signed_for: str | None = "ann", more_ms: int = 60_000
) -> int:
    """Send a command of ann's, with a grant that was made for somebody, or with none."""
    contract = CATALOG.of(message)
    key, value = key_of(contract, message), bank.codec.encoder(contract)(message)
    headers = HeaderTemplate(contract, "test", Principal("ann", SCOPES)).headers(id)
    if signed_for is not None:
        claim = Claim(bank.names.group(NAMESPACE), signed_for, SCOPES)
        grant = sign(derive(SECRET, claim), id, key, value, int(time.time() * 1000) + more_ms)
        headers.append((GRANT_HEADER, grant))
    return bank.put(bank.topic_of(message), partition, key, value, headers)


def told(bank: Bank, partition: int) -> list[tuple[str, str, str | None]]:
    """The outcome log: id, status, and what was wrong with the grant."""
    return [(line.command_id, line.status, line.details.get("grant")) for line in bank.outcomes(partition)]


def test_a_grant_that_is_missing_is_a_rejection_and_the_command_may_be_sent_again(
    bank: Bank, receiver: Engine, partition: int
) -> None:
    send(bank, partition, PutCoins(jar_id="j", pence=9), "put")
    send(bank, partition, TAKE, "c1", signed_for=None)
    send(bank, partition, TAKE, "c2", signed_for="bob")
    send(bank, partition, TAKE, "c3", more_ms=-5_000)
    receiver.run()
    rejected = [("c1", "REJECTED", "missing"), ("c2", "REJECTED", "false"), ("c3", "REJECTED", "late")]
    assert told(bank, partition) == [("put", "ACCEPTED", None), *rejected]
    first = bank.outcomes(partition)[1]
    assert (first.code, first.reason and first.reason.startswith("TakeCoins requires a grant, and has none")) == (
        "forbidden",
        True,
    )
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=9)}
    assert bank.dead_letters(partition) == []
    for each in ("c1", "c2", "c3"):
        send(bank, partition, TAKE, each)
    receiver.run()
    assert [status for _, status, _ in told(bank, partition)[4:]] == ["ACCEPTED"] * 3
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=6)}


def test_a_grant_outlives_a_receiver_that_is_down(bank: Bank, receiver: Engine, partition: int) -> None:
    """The grant had expired long before the receiver comes to it; Kafka took the command in time."""
    began = time.time()
    send(bank, partition, PutCoins(jar_id="j", pence=2), "c1", more_ms=700)
    eventually(lambda: time.time() > began + 1.0)
    receiver.run()
    assert told(bank, partition) == [("c1", "ACCEPTED", None)]


def test_a_replayed_grant_is_a_duplicate_and_a_forgery_under_a_known_id_disturbs_nobody(
    bank: Bank, receiver: Engine, partition: int
) -> None:
    send(bank, partition, PutCoins(jar_id="j", pence=2), "c1")
    receiver.run()
    record = bank.read(bank.names.commands(NAMESPACE), partition)[0]
    bank.put(record.topic, partition, record.key, record.value, record.headers)
    send(bank, partition, PutCoins(jar_id="j", pence=99), "c1", signed_for=None)
    send(bank, partition, PutCoins(jar_id="j", pence=99), "c1", signed_for="bob")
    receiver.run()
    assert told(bank, partition) == [("c1", "ACCEPTED", None)]
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=2)}
    assert bank.dead_letters(partition) == [], "whoever may write to the topic could fill them"


def test_a_forged_grants_outcome_is_not_taken_for_ones_own() -> None:
    token = OutcomeToken(command="bank.jars.TakeCoins", partition=0, offset=7, timestamp=0, id="c1", fingerprint=b"f")
    line = OutcomeRecord(
        command_id="c1",
        command=token.command,
        fingerprint=b"f",
        status=OutcomeStatus.REJECTED,
        code="forbidden",
        partition=0,
        offset=3,
    )
    assert outcome_for(token, line, lambda found: found.outcome()) is None


def test_grants_of_clients_are_their_own_and_those_of_gateways_on_behalf_of_others(bank: Bank) -> None:
    jar_id = bank.key(bank.partition())
    place = (bank.cluster.bootstrap, bank.cluster.registry_url, bank.names, CATALOG)
    with Client(Connection(*place, Principal("ann", SCOPES), grants=GRANTS)) as client:
        own = client.send(PutCoins(jar_id=jar_id, pence=1), id="own").result(SECONDS)
        asker: Asker = client._asker
        pending = asker.ask(PutCoins(jar_id=jar_id, pence=1), Envelope(id="others", principal=Principal("bob")))
        assert pending._pending.ack is not None
        other = pending._pending.ack.result(SECONDS)
    for position, actor in ((own, "ann"), (other, "bob")):
        record = bank.read(position.topic, position.partition, position.offset)[0]
        headers, check = Headers(record.headers), GRANTS.check(CATALOG.find("PutCoins"), bank.names)
        assert headers.actor == actor
        assert check is not None
        assert check.fault(headers, headers.command_id or "", record, True) is None


def test_a_grant_goes_with_every_command_of_a_process(branch: Bank) -> None:
    targets = {branch.names.commands(NAMESPACE): branch.partitions}
    declared = savings()
    lead = process_topology(declared, branch.codec, branch.partitions, targets, grants=GRANTS).processor
    assert isinstance(lead, ProcessManagerProcessor)
    grant = lead.sends[PutCoins].grant
    assert grant is not None
    ((name, value),) = grant("c1", b"k", b"v")
    claim = Claim(branch.names.group(NAMESPACE), declared.group, declared.scopes)
    assert (name, value) == (GRANT_HEADER, sign(derive(SECRET, claim), "c1", b"k", b"v", int(value.split(b".")[1])))


def test_a_forged_grants_outcome_is_not_taken_by_a_process(branch: Bank, caplog: pytest.LogCaptureFixture) -> None:
    """Its ids derive from what happened: whoever hears of that can guess them."""
    targets = {branch.names.commands(NAMESPACE): branch.partitions}
    declared, topic = savings(), branch.names.outcomes(NAMESPACE)
    id, _ = CommandIds(declared.group).id(b"ann", "e1", CoinsMoved.__contract__, 0, None)
    encode, headers = branch.codec.encoder(OUTCOME), [("ce_causationid", id.encode())]

    def heard(grants: Grants, wrong: str) -> object:
        lead = process_topology(declared, branch.codec, branch.partitions, targets, grants=grants).processor
        assert isinstance(lead, ProcessManagerProcessor)
        line = OutcomeRecord(
            command_id=id,
            command=PutCoins.__contract__,
            fingerprint=b"f",
            status=OutcomeStatus.REJECTED,
            code="forbidden",
            details={"grant": wrong},
            partition=0,
            offset=3,
        )
        return lead.input_readers[topic].read(Taken(topic, 0, 4, 0, b"k", encode(line), headers), keyed=False)

    assert heard(GRANTS, "missing") is None
    assert heard(GRANTS, "false") is None
    assert caplog.text.count("has sent it under its id") == 2
    assert heard(GRANTS, "late") is not None, "its own, if clocks are apart"
    assert heard(Grants(), "missing") is not None, "its own: it does not sign, and has to hear of that"


def test_a_requeued_dead_letter_gets_a_grant_of_now(bank: Bank, receiver: Engine, partition: int) -> None:
    place = (bank.cluster.bootstrap, bank.cluster.registry_url, bank.names, CATALOG)
    began = time.time()
    send(bank, partition, PutCoins(jar_id="j", pence=2, how="raises"), "c1", more_ms=500)
    receiver.run()
    (letter,) = bank.dead_letters(partition)
    eventually(lambda: time.time() > began + 0.6)
    letters = DeadLetters(Connection(*place, grants=GRANTS))
    try:
        assert letters.requeue(bank_jars.receiver(), Choice([DeadLetterPlace(partition, letter.offset)])) == (1, [])
    finally:
        letters.close()
    receiver.run()
    assert told(bank, partition) == [("c1", "FAILED", None)] * 2, "a late grant would be REJECTED"
