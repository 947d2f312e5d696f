"""What a receiver cannot read or decide: an outcome, a dead letter, and the next command goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kit.bank import CATALOG, RECEIVER, Bank
from tests.kit.bank_jars import NOISE, WRONG
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarState, PutCoins, ShakeJar
from verbwire.contracts.schema.bounds import KEY_LENGTH
from verbwire.engine.transactions.record_limits import MAX_RECORD
from verbwire.wire.avro.framing import frame
from verbwire.wire.records.outcomes import OutcomeStatus

pytestmark = pytest.mark.kafka


@pytest.fixture
def receiver(running_receiver: Engine, lane: int) -> Engine:
    """The receiver on the partition that these tests share: none of them may hold up the next."""
    return running_receiver.share(lane)


@pytest.fixture
def jar(unique: str) -> str:
    """A key that only this test uses; the ids of its commands begin with it."""
    return unique


NAMESPACE = "bank.jars"
BROKEN = sorted({*WRONG} - {"two events", "no event", "slow", "the state with its event", "the state alone"})
WRONG_STATES = [
    "state of another class",
    "no state",
    "state under another key",
    "state beyond its type",
    "state too large",
]
SAID = {
    "raises": ".put failed: RuntimeError: the jar fell down",
    "ends the program": ".put failed: SystemExit: 3",
    "undeclared": "'no_such_code' is not among the rejections of bank.jars.PutCoins",
    "returns a number": "a command handler does not return int: return events",
    "returns a command": "does not return PutCoins",
    "returns a refusal among events": "does not return Rejected",
    "returns a reply that no contract names": "JarSeal is no state and PutCoins has no reply",
    "returns two states": "a command has one state",
    "event under another key": "bank.jars.CoinsPut has another key than its command",
    "event of another context": "BookClosed is an event of another context",
    "event out of bounds": "bank.jars.CoinsPut is out of the bounds of its contract: pence is more than its maximum",
    "event too large": "a record may have",
    "state of another class": "JarRow",
    "no state": "NoneType",
    "state under another key": "jar_id",
    "state too large": "a record may have",
}


@pytest.mark.parametrize("how", [*BROKEN, *WRONG_STATES])
def test_a_handler_that_breaks_fails_its_command_and_the_key_goes_on(
    bank: Bank, receiver: Engine, jar: str, how: str
) -> None:
    partition, before, broken, after = receiver.partition, f"{jar}-1", f"{jar}-2", f"{jar}-3"
    bank.send(PutCoins(jar_id=jar, pence=1), partition, id=before)
    offset = bank.send(PutCoins(jar_id=jar, pence=2, how=how), partition, id=broken, actor="ann")
    bank.send(PutCoins(jar_id=jar, pence=4), partition, id=after)
    receiver.run_through()
    outcomes = bank.outcomes(partition)
    assert [line.command_id for line in outcomes] == [before, broken, after]
    assert [line.status for line in outcomes] == ["ACCEPTED", "FAILED", "ACCEPTED"]
    failed = outcomes[1]
    assert (failed.command, failed.offset, failed.code, failed.events) == ("bank.jars.PutCoins", offset, None, ())
    assert failed.reason is not None
    assert 0 < len(failed.reason) <= 500
    assert SAID.get(how, "") in failed.reason
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=5)
    assert [event.header("ce_causationid") for event in bank.events(partition)] == [before, after]
    _is_the_dead_letter(bank, receiver, offset, "failed")


def _is_the_dead_letter(bank: Bank, receiver: Engine, offset: int, reason: str) -> None:
    """One dead letter, which is the record at `offset` to the byte, with where and why behind its own headers."""
    partition, topic = receiver.partition, bank.names.commands(NAMESPACE)
    (letter,) = bank.dead_letters(partition)
    (sent,) = [each for each in receiver.fetch_all() if each.offset == offset]
    assert (letter.key, letter.value) == (sent.key, sent.value)
    assert list(letter.headers[: len(sent.headers)]) == list(sent.headers)
    place = [letter.header(f"vw_{name}") for name in ("topic", "partition", "offset", "timestamp", "reason")]
    assert place == [topic, str(partition), str(offset), str(sent.timestamp), reason]
    assert letter.header("vw_detail")


def _tip(_: PutCoins) -> CoinsPut:
    raise RuntimeError("the jar tipped over \udcff")


def test_a_handlers_exception_is_logged_once_and_stands_in_every_dead_letter(
    bank: Bank, receiver: Engine, jar: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its traceback from the handler on; who sent the command is told the first line alone."""
    seen = []
    spot = receiver.topology.processor.watch.spot

    def tip(command: PutCoins) -> CoinsPut:
        seen.append((spot.handler and spot.handler.where, spot.at))
        return _tip(command)

    monkeypatch.setitem(WRONG, "tips over", tip)
    for _ in range(3):
        bank.send(PutCoins(jar_id=jar, pence=2, how="tips over"), receiver.partition)
    receiver.run_through()
    assert [(handler, at) for handler, at in seen if not (handler or "").endswith(".put") or isinstance(at, str)] == []
    assert len({id(at) for _, at in seen}) == 3  # the watchdog can tell one record from the next
    assert spot.at is None  # and that nothing runs
    (line,) = [each.getMessage() for each in caplog.records if "tipped over" in each.getMessage()]
    assert f"put raised at {bank.names.commands(NAMESPACE)}/{receiver.partition}/" in line
    letters = [each.header("vw_detail") or "" for each in bank.dead_letters(receiver.partition)]
    assert len(letters) == 3
    for text in (line, *letters):
        lines = text.splitlines()
        assert lines[0].endswith("RuntimeError: the jar tipped over ?")
        assert lines[1].endswith(", in receiver.<locals>.put")  # none of ours before it
        assert lines[-1] == '    raise RuntimeError("the jar tipped over \\udcff")'
    for outcome in bank.outcomes(receiver.partition):
        assert (outcome.reason or "").endswith("put failed: RuntimeError: the jar tipped over ?")


def test_a_failed_command_may_be_sent_again(bank: Bank, receiver: Engine, jar: str) -> None:
    """Only accepted and rejected ones are remembered: a failure is ours, and may be mended."""
    partition = receiver.partition
    for _ in range(2):
        bank.send(PutCoins(jar_id=jar, pence=2, how="raises"), partition, id=jar)
    receiver.run()
    receiver.prepare()  # what is remembered is read from the copy again
    bank.send(PutCoins(jar_id=jar, pence=2), partition, id=jar)
    receiver.run()
    assert [line.status for line in bank.outcomes(partition)] == ["FAILED", "FAILED", "ACCEPTED"]
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=2)
    assert len(bank.dead_letters(partition)) == 2


def put(bank: Bank, how: str) -> bytes:
    """The bytes of a good command, or of something that is none."""
    command = bank.codec.encoder(CATALOG.find("bank.jars.ShakeJar"))(ShakeJar(jar_id="j"))
    event = bank.codec.encoder(CATALOG.find("bank.jars.CoinsPut"))(CoinsPut(jar_id="j", pence=1))
    row = bank.codec.encoder(CATALOG.find("bank.jars.JarState"))(JarState(jar_id="j"))
    return {
        "good": command,
        "empty": b"",
        "one byte": b"\0",
        "garbage": b"\xff" * 40,
        "JSON": b'{"jar_id": "j"}',
        "frame alone": command[:5],
        "cut off": command[:-1],
        "bytes left over": command + b"\0",
        "schema id nobody knows": frame(2_000_000_000) + command[5:],
        "negative schema id": b"\0\xff\xff\xff\xff" + command[5:],
        "an event": event,
        "a row": row,
        "as large as a topic takes": b"\xff" * 1_048_000,
    }[how]


UNREADABLE: dict[str, Callable[[Bank], tuple[bytes | None, bytes | None]]] = {
    how: lambda bank, how=how: (b"j", put(bank, how))  # each with a `how` of its own
    for how in (
        "empty",
        "one byte",
        "garbage",
        "JSON",
        "frame alone",
        "cut off",
        "bytes left over",
        "schema id nobody knows",
        "negative schema id",
        "an event",
        "a row",
        "as large as a topic takes",
    )
} | {
    "no value": lambda _: (b"j", None),
    "no key": lambda bank: (None, put(bank, "good")),
    "empty key": lambda bank: (b"", put(bank, "good")),
    "neither key nor value": lambda _: (None, None),
}


def test_a_key_counts_for_the_size_of_a_record(
    bank: Bank, receiver: Engine, jar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker refuses the whole record: without this the group would try it again for ever."""
    partition, key = receiver.partition, jar + NOISE[: KEY_LENGTH - len(jar)]
    much = MAX_RECORD - 1.5 * KEY_LENGTH  # the value by itself is small enough
    monkeypatch.setitem(WRONG, "large", lambda c: CoinsPut(jar_id=c.jar_id, pence=1, how=NOISE[: int(much)]))
    bank.send(PutCoins(jar_id=key, pence=1, how="large"), partition)
    bank.send(PutCoins(jar_id=jar, pence=4), partition)
    receiver.run_through()
    assert [line.status for line in bank.outcomes(partition)] == ["FAILED", "ACCEPTED"]


@pytest.mark.usefixtures("registry_that_is_believed")
@pytest.mark.parametrize("how", UNREADABLE)
def test_a_dead_letter_is_made_of_what_is_no_command_and_the_partition_moves_on(
    bank: Bank, receiver: Engine, jar: str, how: str
) -> None:
    partition, topic = receiver.partition, bank.names.commands(NAMESPACE)
    key, value = UNREADABLE[how](bank)
    headers = [("ce_id", jar.encode()), ("ce_type", b"bank.jars.ShakeJar")]
    offset = bank.put(topic, partition, key, value, headers)
    bank.send(PutCoins(jar_id=jar, pence=4), partition, id=f"{jar}-2")
    receiver.run_through()
    _is_the_dead_letter(bank, receiver, offset, "undecodable")
    failed, accepted = bank.outcomes(partition)
    assert (failed.command_id, failed.command, failed.offset) == (jar, "bank.jars.ShakeJar", offset)
    assert (failed.status, accepted.status) == (OutcomeStatus.FAILED, OutcomeStatus.ACCEPTED)
    assert receiver.rows()[jar.encode()] == JarState(jar_id=jar, pence=4)


ID = b"stands for the test's own"
HEADERS: dict[str, list[tuple[str, bytes | None]]] = {
    "id not UTF-8": [("ce_id", b"\xff")],
    "actor not UTF-8": [("ce_id", ID), ("ce_actor", b"\xff")],
    "scopes not UTF-8": [("ce_id", ID), ("ce_actor", b"ann"), ("ce_scopes", b"\xff")],
    "id not UTF-8, but a flow": [("ce_id", b"\xff"), ("ce_actor", b"ann"), ("ce_correlationid", b"flow")],
    "id too long": [("ce_id", b"x" * 201), ("ce_actor", b"ann")],
    "id much too long": [("ce_id", b"x" * 32_000), ("ce_actor", b"ann"), ("ce_correlationid", b"flow")],
    "flow too long": [("ce_id", ID), ("ce_actor", b"ann"), ("ce_correlationid", b"x" * 32_000)],
    "undertaking too long": [("ce_id", ID), ("ce_actor", b"ann"), ("vw_undertaking", b"x" * 32_000)],
    "flow not UTF-8": [("ce_id", ID), ("ce_actor", b"ann"), ("ce_correlationid", b"\xff")],
    "type not UTF-8": [("ce_id", ID), ("ce_actor", b"\xff"), ("ce_type", b"\xff")],
    "ttl no number": [("ce_id", ID), ("ce_actor", b"ann"), ("ce_ttl", b"soon")],
    "deadline no time": [("ce_id", ID), ("ce_actor", b"ann"), ("ce_deadline", b"soon")],
    "asker no number": [("ce_id", ID), ("ce_actor", b"ann"), ("ce_replypartition", b"-1")],
    "too many": [("ce_id", ID), *[("x", b"y")] * 64],
    "too large": [("ce_id", ID), ("x", b"y" * 40_000)],
}


@pytest.mark.parametrize("how", HEADERS)
def test_headers_that_cannot_be_read_fail_the_command_and_the_partition_moves_on(
    bank: Bank, receiver: Engine, jar: str, how: str
) -> None:
    partition, topic = receiver.partition, bank.names.commands(NAMESPACE)
    headers = [(name, jar.encode() if value == ID else value) for name, value in HEADERS[how]]
    bank.put(topic, partition, b"j", put(bank, "good"), headers)
    bank.send(PutCoins(jar_id=jar, pence=4), partition, id=f"{jar}-2")
    receiver.run_through()
    assert [line.status for line in bank.outcomes(partition)] == ["FAILED", "ACCEPTED"]
    assert [letter.header("vw_reason") for letter in bank.dead_letters(partition)] == ["undecodable"]
    assert len(bank.events(partition)) == 1


def test_headers_without_a_value_say_nothing(bank: Bank, receiver: Engine) -> None:
    partition, topic = receiver.partition, bank.names.commands(NAMESPACE)
    bank.put(topic, partition, b"j", put(bank, "good"), [("ce_id", None), ("ce_actor", None), ("x", None)])
    bank.put(topic, partition, b"j", b"garbage", [("ce_id", None), ("x", None)])
    receiver.run_through()
    assert [line.status for line in bank.outcomes(partition)] == ["ACCEPTED", "FAILED"]
    (letter,) = bank.dead_letters(partition)
    assert [name for name, value in letter.headers if value is None] == ["ce_id", "x"]


def test_a_duplicate_id_that_cannot_be_read_keeps_its_one_outcome(bank: Bank, receiver: Engine, jar: str) -> None:
    """Garbage that claims the id of a command that was answered says nothing about that command."""
    partition, topic = receiver.partition, bank.names.commands(NAMESPACE)
    bank.send(PutCoins(jar_id=jar, pence=4), partition, id=jar)
    bank.put(topic, partition, b"j", b"garbage", [("ce_id", jar.encode())])
    receiver.run_through()
    assert [line.status for line in bank.outcomes(partition)] == ["ACCEPTED"]
    assert [letter.header("vw_reason") for letter in bank.dead_letters(partition)] == ["undecodable"]


def test_dead_letters_are_counted_by_reason(bank: Bank, receiver: Engine) -> None:
    before = receiver.counted("dead_letters_total", reason="undecodable")
    for _ in range(3):
        bank.put(bank.names.commands(NAMESPACE), receiver.partition, b"j", b"garbage")
    receiver.run()
    assert receiver.counted("dead_letters_total", reason="undecodable") == before + 3
    assert receiver.topology.group == bank.names.group(RECEIVER)
