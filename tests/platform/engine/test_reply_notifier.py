"""What an asker gets: the reply in its outcome, replies after the commit, and nothing at all after its deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import bank_jars
from tests.kit.bank import CATALOG, Bank
from tests.kit.bank_jars import SEALING
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import DustJar, JarSeal, JarState, PutCoins, SealJar
from verbwire.engine.processors.reply_notifier import Reply, ReplyNotifier
from verbwire.errors import FencedError, UnavailableError
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.messages import Accepted, Rejected
from verbwire.wire.codec.replies import Replies
from verbwire.wire.records.outcomes import OutcomeStatus

pytestmark = pytest.mark.kafka

ASKER = 5  # the partition of the replies at which these tests listen


@pytest.fixture
def receiver(running_receiver: Engine, lane: int) -> Engine:
    """The receiver on the partition that these tests share, each with keys and ids of its own."""
    return running_receiver.share(lane)


@pytest.fixture
def jar(unique: str) -> str:
    """A key that only this test uses; the ids of its commands begin with it."""
    return unique


@pytest.fixture
def later(receiver: Engine) -> Iterator[Callable[[int], None]]:
    """Set the broker's clock forward, as the receiver sees it."""
    clock = receiver.clock

    def forward(milliseconds: int) -> None:
        clock.observe(time.time_ns() // 1_000_000 + milliseconds)

    yield forward
    clock.__init__()  # type: ignore[misc] # the module's engine goes on with it


def replied(bank: Bank, line: Any) -> Any:
    return Replies(bank.codec).outcome(line)


def test_a_reply_stands_in_the_outcome_and_a_given_state_needs_no_appliers(
    bank: Bank, receiver: Engine, jar: str
) -> None:
    bank.send(SealJar(jar_id=jar), receiver.partition, id=f"{jar}-1")
    bank.send(SealJar(jar_id=jar), receiver.partition, id=f"{jar}-2")
    receiver.run()
    accepted, refused = bank.outcomes(receiver.partition)
    assert replied(bank, accepted) == Accepted(reply=JarSeal(jar_id=jar, number=7))
    assert replied(bank, refused) == Rejected("sealed_already")
    (event,) = bank.events(receiver.partition)
    assert (event.header("ce_type"), event.offset) == ("bank.jars.JarSealed", accepted.events[0].offset)
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, label="sealed")


def test_a_reply_alone_changes_nothing(bank: Bank, receiver: Engine, jar: str) -> None:
    bank.send(SealJar(jar_id=jar, how="reply alone"), receiver.partition)
    receiver.run()
    (line,) = bank.outcomes(receiver.partition)
    assert replied(bank, line) == Accepted(reply=JarSeal(jar_id=jar, number=8))
    assert jar.encode() not in receiver.rows()


def test_a_state_that_is_given_is_the_state_whatever_appliers_would_make_of_the_event(
    bank: Bank, receiver: Engine, jar: str
) -> None:
    for how in ("", "the state with its event"):
        bank.send(PutCoins(jar_id=jar, pence=5, how=how), receiver.partition)
    receiver.run()
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=77)
    bank.send(PutCoins(jar_id=jar, pence=5), receiver.partition)
    receiver.run()
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=82)
    assert len(bank.events(receiver.partition)) == 3


def test_a_state_may_change_without_an_event(bank: Bank, receiver: Engine, jar: str) -> None:
    bank.send(PutCoins(jar_id=jar, pence=5, how="the state alone"), receiver.partition)
    receiver.run()
    (line,) = bank.outcomes(receiver.partition)
    assert (line.status, line.events) == (OutcomeStatus.ACCEPTED, ())
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=99)
    assert bank.events(receiver.partition) == []


SAID = {
    "no reply": "SealJar was not replied to: return JarSeal besides its events",
    "no reply, no change": "SealJar was not replied to",
    "two replies": "a command has one reply",
    "another row": "a command handler does not return JarRow",
    "event that only a state goes with": "JarSealed is not applied by this aggregate: add @applies for it, or return",
    "reply beyond its type": "bank.jars.JarSeal does not fit its schema",
    "reply too large": "the reply to bank.jars.SealJar is",
    "reply too large with its events": "its outcome has room for",
}


@pytest.mark.parametrize("how", sorted({*SEALING} - {"", "reply alone"}))
def test_a_handler_that_does_not_reply_as_its_contract_says_fails(
    bank: Bank, receiver: Engine, jar: str, how: str
) -> None:
    bank.send(SealJar(jar_id=jar, how=how), receiver.partition)
    bank.send(PutCoins(jar_id=jar, pence=5), receiver.partition)
    receiver.run()
    failed, accepted = bank.outcomes(receiver.partition)
    assert (failed.status, failed.reply, accepted.status) == (OutcomeStatus.FAILED, None, OutcomeStatus.ACCEPTED)
    (letter,) = bank.dead_letters(receiver.partition)
    assert SAID[how] in (failed.reason or "")
    assert SAID[how] in (letter.header("vw_detail") or "")
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=5)


def test_a_reply_is_what_the_outcome_log_says(bank: Bank, receiver: Engine, jar: str) -> None:
    sent = {
        f"{jar}-accepted": SealJar(jar_id=jar),
        f"{jar}-rejected": SealJar(jar_id=jar),
        f"{jar}-failed": SealJar(jar_id=f"{jar}-2", how="no reply"),
    }
    for name, command in sent.items():
        bank.send(command, receiver.partition, id=name, reply_partition=ASKER)
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, id=f"{jar}-silent")
    bank.send(DustJar(jar_id=jar), receiver.partition, id=f"{jar}-none", reply_partition=ASKER)
    topic, garbage = bank.names.commands("bank.jars"), f"{jar}-garbage"
    headers = [("ce_id", garbage.encode()), ("ce_replypartition", b"%d" % ASKER)]
    bank.put(topic, receiver.partition, b"j", b"garbage", headers)
    receiver.run()
    told = {reply.key: reply.value for reply in bank.replies(ASKER, jar, 4)}
    ledger = {bank.outcome(line.value).command_id.encode(): line.value for line in bank.ledger(receiver.partition)}
    assert told == {key: value for key, value in ledger.items() if key.partition(b"-")[2] not in (b"silent", b"none")}
    statuses = [bank.outcome(value).status for value in told.values()]
    assert statuses == ["ACCEPTED", "REJECTED", "FAILED", "FAILED"]


def test_a_duplicate_id_is_replied_to_again(bank: Bank, partition: int, tmp_path: Path, jar: str) -> None:
    """In the same batch, in the next one, and after a restart: from memory, with nothing new in the outcome log."""
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path) as before:
        for asker in (None, ASKER):
            bank.send(SealJar(jar_id=jar), partition, id=jar, reply_partition=asker)
        before.run()
        bank.replies(ASKER, jar, 1)
        bank.send(SealJar(jar_id=jar), partition, id=jar, reply_partition=ASKER)
        before.run()
        bank.replies(ASKER, jar, 2)
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path, worker=before.worker) as after:
        bank.send(SealJar(jar_id=jar), partition, id=jar, reply_partition=ASKER)
        after.run()
    (line,) = bank.ledger(partition)
    assert [reply.value for reply in bank.replies(ASKER, jar, 3)] == [line.value] * 3


def test_a_reused_id_is_replied_to_and_not_in_the_outcome_log(bank: Bank, receiver: Engine, jar: str) -> None:
    partition, other = receiver.partition, PutCoins(jar_id=jar, pence=2)
    bank.send(PutCoins(jar_id=jar, pence=1), partition, id=jar, reply_partition=ASKER)
    offset = bank.send(other, partition, id=jar, reply_partition=ASKER)
    receiver.run()
    (line,) = bank.outcomes(partition)
    told = [bank.outcome(reply.value) for reply in bank.replies(ASKER, jar, 2)]
    accepted, refused = sorted(told, key=lambda line: line.offset)
    assert accepted == line
    assert (refused.status, refused.code, refused.command_id) == (OutcomeStatus.REJECTED, "id_reused", jar)
    assert (refused.partition, refused.offset) == (partition, offset)
    assert refused.fingerprint == bank.codec.encoder(CATALOG.of(other)).fingerprint(other)


def test_a_reply_is_not_sent_of_what_was_not_committed(bank: Bank, receiver: Engine, jar: str) -> None:
    mine = receiver.membership
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, id=jar, reply_partition=ASKER)
    receiver.membership = replace(mine, generation=mine.generation + 1)
    try:
        with pytest.raises(FencedError):
            receiver.run()
    finally:
        receiver.membership = mine
    receiver.prepare()
    receiver.run()
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, id=f"{jar}-2", reply_partition=ASKER)
    receiver.run()
    assert [reply.key for reply in bank.replies(ASKER, jar, 2)] == [jar.encode(), f"{jar}-2".encode()]


def test_a_reply_that_cannot_be_sent_fails_nothing(bank: Bank, receiver: Engine, jar: str) -> None:
    """No such partition; and a worker whose replies find no broker neither waits nor fails."""
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, id=jar, reply_partition=99_999)
    receiver.run()
    assert [line.status for line in bank.outcomes(receiver.partition)] == ["ACCEPTED"]
    lost = ReplyNotifier(
        {"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": "2", "log_level": "0"}, "replies"
    )
    begun = time.monotonic()
    for _ in range(10):
        lost.send([(0, jar, b"outcome")] * 10)
    assert time.monotonic() - begun < 1
    lost._producer.purge()  # type: ignore[union-attr]  # nobody waits for these


class Nearby:
    """A caller in this process that waits for one id."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.taken: list[Reply] = []

    def waits_for(self, reply: Reply) -> bool:
        return reply[:2] == (ASKER, self.id)

    def take(self, replies: Sequence[Reply]) -> None:
        self.taken += replies


def test_a_caller_in_this_process_is_told_at_once_and_others_by_kafka(bank: Bank, receiver: Engine, jar: str) -> None:
    notifier = ReplyNotifier(bank.kafka, bank.names.replies())
    near = notifier.nearby = Nearby(f"{jar}-near")
    notifier.send([(ASKER, f"{jar}-far", b"1"), (ASKER, f"{jar}-near", b"2"), (ASKER + 1, f"{jar}-near", b"3")])
    notifier.send([(ASKER, f"{jar}-near", b"4")])
    notifier.send([(ASKER, f"{jar}-last", b"5")])
    notifier.close()
    assert near.taken == [(ASKER, f"{jar}-near", b"2"), (ASKER, f"{jar}-near", b"4")]
    assert [each.value for each in bank.replies(ASKER, jar, 2)] == [b"1", b"5"]
    assert [each.value for each in bank.replies(ASKER + 1, jar, 1)] == [b"3"]


def test_an_expired_command_is_not_carried_out(
    bank: Bank, receiver: Engine, later: Callable[[int], None], jar: str
) -> None:
    partition, put = receiver.partition, PutCoins(jar_id=jar, pence=1)
    expired = receiver.counted("outcomes_total", command="bank.jars.PutCoins", status="expired", code="")
    bank.send(put, partition, id=f"{jar}-1", ttl=60_000, reply_partition=ASKER)
    bank.send(put, partition, id=f"{jar}-2", deadline=datetime.now(UTC) + timedelta(minutes=1), reply_partition=ASKER)
    bank.send(put, partition, id=f"{jar}-3", ttl=3_600_000)
    bank.send(put, partition, id=f"{jar}-4")
    later(120_000)
    receiver.run()
    outcomes = bank.outcomes(partition)
    assert [line.status for line in outcomes] == ["EXPIRED", "EXPIRED", "ACCEPTED", "ACCEPTED"]
    assert [(line.code, line.reason, line.events) for line in outcomes[:2]] == [(None, None, ())] * 2
    assert [bank.outcome(reply.value) for reply in bank.replies(ASKER, jar, 2)] == outcomes[:2]
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=2)
    assert bank.dead_letters(partition) == []
    assert receiver.counted("outcomes_total", command="bank.jars.PutCoins", status="expired", code="") == expired + 2


def test_expiry_goes_by_the_brokers_clock_from_the_brokers_timestamp(
    bank: Bank, receiver: Engine, later: Callable[[int], None], jar: str
) -> None:
    """A sender whose clock is days behind sends nothing that has expired already."""
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, ttl=60_000)
    later(-3_600_000)
    receiver.run()
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, ttl=0)
    later(1_000)
    receiver.run()
    assert [line.status for line in bank.outcomes(receiver.partition)] == ["ACCEPTED", "EXPIRED"]


def test_expiry_does_not_undo_an_outcome(bank: Bank, receiver: Engine, later: Callable[[int], None], jar: str) -> None:
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, id=jar, ttl=60_000)
    receiver.run()
    bank.send(PutCoins(jar_id=jar, pence=1), receiver.partition, id=jar, ttl=60_000, reply_partition=ASKER)
    later(120_000)
    receiver.run()
    (line,) = bank.outcomes(receiver.partition)
    (reply,) = bank.replies(ASKER, jar, 1)
    assert (bank.outcome(reply.value), line.status) == (line, OutcomeStatus.ACCEPTED)


def test_an_expired_command_may_be_asked_again(
    bank: Bank, receiver: Engine, later: Callable[[int], None], jar: str
) -> None:
    partition = receiver.partition
    bank.send(PutCoins(jar_id=jar, pence=1), partition, id=jar, ttl=0)
    later(1_000)
    receiver.run()
    receiver.prepare()  # what is remembered is read from the copy again
    bank.send(PutCoins(jar_id=jar, pence=1), partition, id=jar)
    receiver.run()
    assert [line.status for line in bank.outcomes(partition)] == ["EXPIRED", "ACCEPTED"]


@pytest.mark.parametrize("lost", [False, True])
def test_every_outcome_is_found_by_others(bank: Bank, partition: int, tmp_path: Path, lost: bool) -> None:
    """Also those that are no guard against doing the same again, and also when the copy is restored from the log."""
    sent = {
        "accepted": PutCoins(jar_id="j", pence=1),
        "rejected": PutCoins(jar_id="j", pence=1_000_000),
        "failed": PutCoins(jar_id="j", pence=1, how="raises"),
        "expired": PutCoins(jar_id="j", pence=1),
    }
    clock = BrokerClock()
    clock.observe(time.time_ns() // 1_000_000 + 1_000)
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path, clock=clock) as engine:
        for name, command in sent.items():
            bank.send(command, partition, id=name, ttl=0 if name == "expired" else None)
        engine.run()
        if lost:
            engine.store(partition).unlink()
            engine.prepare()
        found = {name: engine.reader.answer(partition, name) for name in (*sent, "unknown")}
    ledger = {bank.outcome(line.value).command_id: line.value for line in bank.ledger(partition)}
    assert {name: answer.outcome for name, answer in found.items() if answer is not None} == ledger
    assert found.pop("unknown") is None
    guards = {name: bool(answer.fingerprint) for name, answer in found.items() if answer is not None}
    assert guards == {"accepted": True, "rejected": True, "failed": False, "expired": False}
    with pytest.raises(UnavailableError):
        engine.reader.answer(partition, "accepted")
