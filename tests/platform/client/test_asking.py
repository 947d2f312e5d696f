"""Asking: the outcome comes to who asked, whatever else is said on the wire, and nobody waits for ever in secret."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from tests.kit.cluster import Cluster, delete, eventually, limit_records
from tests.kit.notes import CATALOG, COMMAND, NAMESPACE
from tests.kit.scripted_receiver import REPLY_SECONDS, ScriptedReceiver, by_replies_alone
from verbwire.client import Client, CommandHandle, Connection, Principal
from verbwire.client.asking.asker import Asker
from verbwire.client.asking.poller import PollDelays
from verbwire.client.base.completion import WouldWaitError
from verbwire.client.producing.sender import Sender
from verbwire.contracts.schema.model import Catalog
from verbwire.deploy.deployment import deploy
from verbwire.deploy.target import Target
from verbwire.errors import (
    ClosedError,
    ContractError,
    DeliveryError,
    OutcomeUnknownError,
    UnavailableError,
    UndecodableError,
    UnencodableError,
    WrongVerbError,
)
from verbwire.messages import ID_REUSED, Accepted, Expired, Failed, Outcome, Rejected
from verbwire.names import Names
from verbwire.wire.headers import Envelope, Headers
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.outcomes import OutcomeStatus

pytestmark = pytest.mark.kafka

OTHER = msgspec.structs.replace(COMMAND, words="buy coffee")
HOUR = 3_600_000
FOUND = 30.0  # seconds, for an outcome to be found in the outcome log


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[Connection]:
    names = Names("office", f"t{uuid.uuid4().hex[:10]}")
    deployed = deploy(Target(cluster.bootstrap, cluster.registry_url, names, partitions=3), CATALOG, [])
    yield Connection(cluster.bootstrap, cluster.registry_url, names, CATALOG)
    delete(cluster.bootstrap, deployed.topics)


@pytest.fixture(scope="module")
def client(connection: Connection) -> Iterator[Client]:
    with Client(connection) as opened:
        yield by_replies_alone(opened)


@pytest.fixture(scope="module")
def asker(connection: Connection) -> Iterator[Asker]:
    """One that does not wait long for replies, as when all of them are lost."""
    sender = Sender.of(connection)
    opened = Asker(connection, sender, PollDelays(reply=0.0, look_back=0.3))
    yield opened
    sender.producer.close()
    opened.close()
    sender.routes.close()


@pytest.fixture
def receiver(connection: Connection) -> Iterator[ScriptedReceiver]:
    playing = ScriptedReceiver(connection, NAMESPACE)
    yield playing
    playing.close()


def new_id() -> str:
    return uuid.uuid4().hex


async def awaited(pending: CommandHandle) -> Outcome:
    return await pending


def test_the_first_ask_of_a_client_hears_its_answer(connection: Connection, receiver: ScriptedReceiver) -> None:
    for _ in range(3):
        with Client(connection) as client:
            pending = by_replies_alone(client).ask(COMMAND)
            receiver.answer(receiver.take())
            assert pending.result(REPLY_SECONDS) == Accepted()
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
    client: Client, receiver: ScriptedReceiver, said: dict[str, object], outcome: Outcome
) -> None:
    pending = client.ask(COMMAND)
    receiver.answer(receiver.take(), **said)
    assert pending.result(REPLY_SECONDS) == outcome
    assert asyncio.run(awaited(pending)) == outcome


def test_a_command_says_who_asks_and_where_the_answer_goes(
    connection: Connection, asker: Asker, receiver: ScriptedReceiver
) -> None:
    with Client(replace(connection, principal=Principal("ann", ("notes:write",)))) as client:
        client.ask(COMMAND, id="q-1", ttl=1.5, correlation_id="first", causation_id="parent")
        (record,) = receiver.take()
    headers = Headers(record.headers())
    assert (headers.id, headers.ttl, headers.correlation_id, headers.causation_id) == ("q-1", 1500, "first", "parent")
    assert (headers.actor, headers.scopes) == ("ann", ("notes:write",))
    assert headers.reply_partition in range(12)
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    asker.ask(COMMAND, Envelope(principal=Principal("bob", ("notes:read",)), traceparent=trace))
    (record,) = receiver.take()
    headers = Headers(record.headers())
    assert (headers.actor, headers.scopes, headers.traceparent) == ("bob", ("notes:read",), trace)
    assert headers.ttl is None


def test_a_reply_to_another_command_is_not_the_outcome_of_this_one(client: Client, receiver: ScriptedReceiver) -> None:
    id = new_id()
    pending = client.ask(COMMAND, id=id)
    (record,) = receiver.take()
    line = receiver.line(record)
    said = (
        receiver.line(record, command_id=f"{id}x"),  # under our key
        receiver.line(record, command="office.other.TakeNote"),  # another receiver's, with the same id and place
        receiver.line(record, partition=line.partition + 1),
        receiver.line(record, offset=line.offset - 1, status=OutcomeStatus.FAILED),  # of an earlier attempt
        receiver.line(record, offset=line.offset - 1, status=OutcomeStatus.EXPIRED),
        receiver.line(record, offset=line.offset + 1, fingerprint=b"another"),
    )
    receiver.send_reply(record, id, b"nonsense")
    for each in said:
        receiver.send_reply(record, id, receiver.encode(each))
    receiver.send_reply(record, new_id(), b"nonsense")
    receiver.flush()
    with pytest.raises(OutcomeUnknownError):
        pending.result(0.3)
    receiver.reply(record, line)
    assert pending.result(REPLY_SECONDS) == Accepted()


def test_a_duplicate_id_gets_the_outcome_of_the_first(client: Client, receiver: ScriptedReceiver) -> None:
    first, again, other = (client.ask(command, id="same") for command in (COMMAND, COMMAND, OTHER))
    records = receiver.take(3)
    remembered = receiver.line(records[0], status=OutcomeStatus.REJECTED, code="full")
    receiver.reply(records[0], remembered)
    receiver.reply(records[1], remembered)
    assert first.result(REPLY_SECONDS) == again.result(REPLY_SECONDS) == Rejected("full")
    assert not other.done() or other.result(0) != Rejected("full")
    receiver.reply(records[2], receiver.line(records[2], status=OutcomeStatus.REJECTED, code=ID_REUSED))
    outcome = other.result(REPLY_SECONDS)
    assert isinstance(outcome, Rejected)
    assert outcome.code == ID_REUSED


def test_outcomes_whose_replies_are_lost_are_read_from_the_outcome_log(
    connection: Connection, receiver: ScriptedReceiver
) -> None:
    with Client(connection) as client:
        _found_in_the_ledger(client, receiver)


def _token(pending: CommandHandle) -> str:
    """The token of a command, once it is acknowledged: a receiver may see a record before its sender hears of it."""
    return eventually(lambda: pending.token or "")


def _found_in_the_ledger(client: Client, receiver: ScriptedReceiver) -> None:
    commands = [msgspec.structs.replace(COMMAND, note_id=f"n{number}") for number in range(9)]
    pendings = [client.ask(command) for command in commands]
    records = receiver.take(9)
    assert {record.partition() for record in records} == {0, 1, 2}
    tokens = {pending.id: OutcomeToken.decode(_token(pending)) for pending in pendings}
    for record in records:  # the outcome log is read from the time that the broker has given to the command
        token = tokens[Headers(record.headers()).id or ""]
        assert record.timestamp() == (TIMESTAMP_LOG_APPEND_TIME, token.timestamp)
    for record in records:
        receiver.enter(record, receiver.line(record))
    receiver.flush()
    assert [pending.result(FOUND) for pending in pendings] == [Accepted()] * 9
    late = client.ask(COMMAND)  # in a partition that is being read already, or was
    (record,) = receiver.take()
    receiver.enter(record, receiver.line(record))
    assert late.result(FOUND) == Accepted()


def test_a_reused_id_is_told_from_the_outcome_log(asker: Asker, receiver: ScriptedReceiver) -> None:
    id = new_id()
    first, again, other = (asker.ask(command, Envelope(id=id)) for command in (COMMAND, COMMAND, OTHER))
    record, *_ = receiver.take(3)
    receiver.enter(record, receiver.line(record))
    assert first.result(FOUND) == again.result(FOUND) == Accepted()
    outcome = other.result(FOUND)
    assert isinstance(outcome, Rejected)
    assert outcome.code == ID_REUSED


def test_a_failed_attempt_in_the_ledger_does_not_answer_the_next(asker: Asker, receiver: ScriptedReceiver) -> None:
    id = new_id()
    first, again = (asker.ask(command, Envelope(id=id)) for command in (COMMAND, OTHER))
    records = receiver.take(2)
    receiver.enter(records[0], receiver.line(records[0], status=OutcomeStatus.FAILED))
    receiver.enter(records[1], receiver.line(records[1]))
    assert first.result(FOUND) == Failed()
    assert again.result(FOUND) == Accepted()


def test_a_registry_that_is_silent_for_a_moment_delays_the_answer(asker: Asker, receiver: ScriptedReceiver) -> None:
    class Silent:
        asked = 0

        def decode(self, _: bytes) -> None:
            self.asked += 1
            raise UnavailableError("the registry cannot be reached")

    pending = asker.ask(COMMAND)
    records = receiver.take()
    answers, silent = asker._resolver, Silent()
    lines, answers.__dict__["_lines"] = answers._lines, silent
    receiver.answer(records)
    eventually(lambda: silent.asked > 2)
    assert not pending.done()
    answers.__dict__["_lines"] = lines
    assert pending.result(FOUND) == Accepted()


def test_an_aborted_transaction_holds_no_outcome(asker: Asker, receiver: ScriptedReceiver) -> None:
    pending = asker.ask(COMMAND)
    (record,) = receiver.take()
    receiver.enter_and_abort(record, receiver.line(record, status=OutcomeStatus.REJECTED, code="full"))
    receiver.enter(record, receiver.line(record))
    assert pending.result(FOUND) == Accepted()


def test_a_duplicate_id_of_an_old_command_finds_its_outcome_further_back(
    asker: Asker, receiver: ScriptedReceiver
) -> None:
    id = new_id()
    asker.ask(COMMAND, Envelope(id=id))
    (record,) = receiver.take()
    receiver.enter(record, receiver.line(record), timestamp=round(time.time() * 1000) - HOUR)
    receiver.flush()
    again = asker.ask(COMMAND, Envelope(id=id))
    assert again.result(FOUND) == Accepted()


def test_resume_by_a_token_in_another_client(
    connection: Connection, client: Client, receiver: ScriptedReceiver
) -> None:
    command = msgspec.structs.replace(COMMAND, note_id="n7")
    early, late = client.ask(command), client.ask(command, id="late")
    records = receiver.take(2)
    receiver.answer(records[:1])
    assert early.result(REPLY_SECONDS) == Accepted()
    assert _token(late)
    with pytest.raises(OutcomeUnknownError, match=r"office\.notes\.TakeNote late") as unknown:
        late.result(0)
    assert unknown.value.id == "late"
    assert unknown.value.token == late.token
    with Client(connection) as another:
        resumed = [another.resume(_token(pending)) for pending in (early, late)]
        assert [each.id for each in resumed] == [early.id, "late"]
        assert [each.position for each in resumed] == [early.position, late.position]
        assert resumed[0].result(FOUND) == Accepted()
        assert resumed[0].events == early.events != ()
        assert not resumed[1].done()
        receiver.answer(records[1:])
        assert resumed[1].result(FOUND) == Accepted()
        with pytest.raises(UndecodableError):
            another.resume("nonsense")
    with pytest.raises(ClosedError):
        another.resume(_token(early))
    assert late.result(REPLY_SECONDS) == Accepted()  # who timed out may wait again


def test_linger_is_bypassed_by_asked_commands_which_do_not_overtake(
    connection: Connection, receiver: ScriptedReceiver
) -> None:
    with Client(replace(connection, kafka={"linger.ms": 30_000})) as client:
        for _ in range(3):
            started = time.monotonic()
            sent, asked = client.send(COMMAND), client.ask(COMMAND)
            records = receiver.take(2)
            assert [Headers(record.headers()).id for record in records] == [sent.id, asked.id]
            receiver.answer(records[1:])
            asked.result(REPLY_SECONDS)
            assert time.monotonic() - started < REPLY_SECONDS


def test_positions_of_events_are_remembered(connection: Connection, receiver: ScriptedReceiver) -> None:
    with Client(connection) as client:
        pending = client.ask(COMMAND)
        (record,) = receiver.take()
        receiver.answer([record])
        pending.result(REPLY_SECONDS)
        assert client.positions.known() == {("a.events", record.partition()): 8}


def test_asks_in_flight_are_bounded_and_given_up_ones_forgotten(
    connection: Connection, receiver: ScriptedReceiver
) -> None:
    with Client(replace(connection, asks_in_flight=3, delivery_seconds=1.0)) as client:
        pendings = [client.ask(COMMAND) for _ in range(3)]
        started = time.monotonic()
        with pytest.raises(DeliveryError, match="3 asked commands wait for their outcomes: is a worker up"):
            client.ask(COMMAND)
        assert time.monotonic() - started > 0.9
        records = receiver.take(3)  # the fourth was not sent
        with pytest.raises(OutcomeUnknownError):
            pendings[0].result(0.01)
        del pendings[0]
        gc.collect()
        pendings.append(client.ask(COMMAND))
        receiver.answer(records[1:2])
        assert pendings[0].result(REPLY_SECONDS) == Accepted()
        pendings.append(client.ask(COMMAND))
    for pending in pendings[1:]:
        with pytest.raises(ClosedError, match="resume its token"):
            pending.result(10)
    receiver.take(2)


def test_asks_in_flight_may_be_thousands(connection: Connection, receiver: ScriptedReceiver) -> None:
    async def everything(client: Client) -> list[Outcome]:
        pendings = [client.ask(msgspec.structs.replace(COMMAND, note_id=f"n{n % 7}")) for n in range(3_000)]
        receiver.answer(receiver.take(3_000))
        return await asyncio.gather(*map(awaited, pendings))

    with Client(connection) as client:
        assert asyncio.run(everything(client)) == [Accepted()] * 3_000


def test_an_ask_of_an_abandoned_loop_does_no_harm(client: Client, receiver: ScriptedReceiver) -> None:
    async def give_up() -> CommandHandle:
        pending = client.ask(COMMAND)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(awaited(pending), 0.01)
        return pending

    pending = asyncio.run(give_up())
    receiver.answer(receiver.take())
    assert pending.result(REPLY_SECONDS) == Accepted()


def test_an_ask_of_a_task_that_nobody_holds_is_answered(client: Client, receiver: ScriptedReceiver) -> None:
    outcomes: list[Outcome] = []

    async def ask() -> None:
        outcomes.append(await client.ask(COMMAND))

    async def main() -> None:
        asyncio.create_task(ask())  # noqa: RUF006 (the point of this test)
        await asyncio.sleep(0)
        records = receiver.take()
        gc.collect()
        receiver.answer(records)
        end = time.monotonic() + REPLY_SECONDS
        while not outcomes and time.monotonic() < end:
            await asyncio.sleep(0.005)

    asyncio.run(main())
    assert outcomes == [Accepted()]


def test_asks_that_cannot_be_sent_are_refused_at_the_call(connection: Connection, client: Client) -> None:
    for ttl in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UnencodableError, match="ttl"):
            client.ask(COMMAND, ttl=ttl)
    contract = replace(CATALOG.of(COMMAND), response="none")
    silent = replace(connection, catalog=Catalog({contract.name: contract}))
    with Client(silent) as another, pytest.raises(WrongVerbError, match="use send"):
        another.ask(COMMAND)


def test_a_command_that_the_broker_refuses_is_a_failed_delivery(connection: Connection) -> None:
    limit_records(connection.bootstrap, connection.names.commands(NAMESPACE), 100_000)
    with Client(connection) as client:
        pending = client.ask(msgspec.structs.replace(COMMAND, words=os.urandom(100_000).hex()))
        with pytest.raises(DeliveryError, match="larger"):
            pending.result(10)
        assert pending.token is None
        with pytest.raises(DeliveryError, match="larger"):
            asyncio.run(awaited(pending))
        client.flush()  # somebody has seen it


def test_without_a_broker_the_call_says_unavailable_and_after_close_closed(connection: Connection) -> None:
    lost = replace(connection, bootstrap="127.0.0.1:1", kafka={"log_level": 0}, delivery_seconds=0.3)
    with Client(lost) as client, pytest.raises(UnavailableError):
        client.ask(COMMAND)
    with Client(connection) as client:
        client.ask(COMMAND)
    with pytest.raises(ClosedError):
        client.ask(COMMAND)


def test_close_ends_an_ask_that_waits_for_room(connection: Connection, receiver: ScriptedReceiver) -> None:
    with Client(replace(connection, asks_in_flight=1)) as client, ThreadPoolExecutor(1) as others:
        pending = client.ask(COMMAND)
        eventually(lambda: pending.token)
        blocked = others.submit(client.ask, COMMAND)
        assert not blocked.done()
        client.close()
        with pytest.raises(ClosedError):
            blocked.result(10)
        with pytest.raises(ClosedError):
            pending.result(10)
    assert len(receiver.take()) == 1


def test_close_does_not_wait_for_outcomes(connection: Connection) -> None:
    with Client(connection) as client:
        pendings = [client.ask(COMMAND) for _ in range(10)]
        eventually(lambda: all(pending.token for pending in pendings))
        started = time.monotonic()
    assert time.monotonic() - started < 10.0
    for pending in pendings:
        with pytest.raises(ClosedError):
            asyncio.run(awaited(pending))


def test_a_token_of_a_command_that_is_not_ours_is_refused(connection: Connection, client: Client) -> None:
    pending = client.ask(COMMAND)
    token = eventually(lambda: pending.token) or ""
    with Client(replace(connection, catalog=Catalog())) as another, pytest.raises(ContractError, match="no contract"):
        another.resume(token)


def test_asking_at_once_sends_a_command_as_any_other_or_not_at_all(
    connection: Connection, receiver: ScriptedReceiver
) -> None:
    with Client(replace(connection, asks_in_flight=1)) as client:
        asker = client._asker
        with pytest.raises(WouldWaitError):
            asker.ask(COMMAND, patient=False)  # its topic and schema have to be asked for
        first = by_replies_alone(client).ask(COMMAND)
        with pytest.raises(WouldWaitError):
            asker.ask(OTHER, patient=False)  # one alone may be in flight
        receiver.answer(receiver.take())
        assert first.result(REPLY_SECONDS) == Accepted()
        second = asker.ask(COMMAND, patient=False)
        receiver.answer(receiver.take())  # the next that has come: the other was not sent
        assert second.result(REPLY_SECONDS) == Accepted()
