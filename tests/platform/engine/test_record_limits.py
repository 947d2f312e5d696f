"""Topics that take less than ours: what does not fit is one record's fault, and nobody waits for it for ever."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.kit import bank_jars
from tests.kit.bank import NAMESPACE, TABLE, Bank
from tests.kit.cluster import Cluster, limit_records
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow, JarSeal, JarState, PutCoins, SealJar
from verbwire.dead_letters.shown import shown_message
from verbwire.embedded import Stack
from verbwire.engine.transactions.record_limits import DEFAULT, LEAST, MAX_RECORD, RecordLimits
from verbwire.errors import UnencodableError
from verbwire.parking.desk import ParkedDesk
from verbwire.wire.records.dead_letters import read_dead_letter

LIMIT = 20_000
MUCH = "".join(uuid.uuid4().hex for _ in range(900))  # 28,800 letters that do not compress well


def test_a_record_is_as_large_as_its_key_value_and_headers() -> None:
    limits = RecordLimits()
    limits.learn({"small": 50_000, "large": 5_000_000})
    header = ("h", b"x" * 1000)
    assert limits.fits("small", b"k", b"v" * 48_000, [header])
    assert not limits.fits("small", b"k", b"v" * 49_000, [header])
    assert limits.sized("unknown", b"k", b"v" * (MAX_RECORD - 1), "it") == b"v" * (MAX_RECORD - 1)
    with pytest.raises(UnencodableError, match="it is 1000001 bytes with its key, a record may have 1000000: keep"):
        limits.sized("large", b"k", b"v" * MAX_RECORD, "it")
    with pytest.raises(UnencodableError, match=r"1011 with its headers, small takes 50000 in all.*max\.message\.bytes"):
        limits.sized("small", b"k", b"v" * 49_000, "it", [header])
    with pytest.raises(UnencodableError, match=r"a record may have 41808: .* raise small's max\.message\.bytes"):
        limits.row("small", b"k", b"v" * 49_000, "a row")


def test_the_smallest_topic_says_how_large_batches_are() -> None:
    limits = RecordLimits()
    assert (limits.smallest(), limits.too_small()) == (DEFAULT, None)
    limits.learn({"a": 50_000, "b": DEFAULT})
    assert (limits.smallest(), limits.too_small()) == (50_000, None)
    limits.learn({"a": 1000})
    assert f"a takes 1000 bytes at most, {LEAST} are needed: raise its max.message.bytes" in str(limits.too_small())


@pytest.fixture(scope="module")
def narrow(cluster: Cluster) -> Iterator[Bank]:
    """A bank of its own: its topics take less and less; each test has partitions of its own."""
    opened = Bank(cluster, f"n{uuid.uuid4().hex[:10]}", partitions=12)
    yield opened
    opened.close()


@pytest.fixture
def place(narrow: Bank) -> int:
    return narrow.partition()


@pytest.mark.kafka
def test_an_event_that_its_topic_refuses_fails_its_command_alone(narrow: Bank, place: int, tmp_path: Path) -> None:
    """Also where the limit was lowered under a running worker, and where only all of them together are too large."""
    events = narrow.names.events(NAMESPACE)
    with Engine(narrow, bank_jars.receiver(), [place], tmp_path) as engine:
        limit_records(narrow.cluster.bootstrap, events, LIMIT)
        for number in range(60):
            how = MUCH if number == 30 else MUCH[:1000]
            narrow.send(PutCoins(jar_id="j", pence=1, how=how), place, id=str(number))
        engine.run_through()
        assert engine.core.stopped() == {}
        outcomes = narrow.outcomes(place)
        assert [line.status for line in outcomes] == [*["ACCEPTED"] * 30, "FAILED", *["ACCEPTED"] * 29]
        assert f"{events} takes {LIMIT} in all: keep less in it" in (outcomes[30].reason or "")
        (letter,) = narrow.dead_letters(place)
        assert (letter.header("ce_id"), len(letter.value or b"") > LIMIT) == ("30", True)
        assert engine.rows() == {b"j": JarState(jar_id="j", pence=59)}
        assert engine.counted("resets_total") <= 2


@pytest.mark.kafka
def test_a_reply_that_the_ledger_refuses_fails_its_command_alone(
    narrow: Bank, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_records(narrow.cluster.bootstrap, narrow.names.outcomes(NAMESPACE), LIMIT)
    monkeypatch.setitem(bank_jars.SEALING, "much", lambda jar: JarSeal(jar_id=jar, number=1, text=MUCH))
    with Engine(narrow, bank_jars.receiver(), [place], tmp_path) as engine:
        for how in ("much", ""):
            narrow.send(SealJar(jar_id="j", how=how), place, id=how or "good")
        engine.run_through()
        outcomes = narrow.outcomes(place)
    assert [(line.command_id, line.status) for line in outcomes] == [("much", "FAILED"), ("good", "ACCEPTED")]
    assert "keep less in it, and let the client query for the rest" in (outcomes[0].reason or "")


@pytest.mark.kafka
def test_a_dead_letter_that_is_too_large_leaves_a_stub(narrow: Bank, place: int, tmp_path: Path) -> None:
    letters = narrow.names.dead_letters(narrow.names.group(TABLE))
    limit_records(narrow.cluster.bootstrap, narrow.names.events(NAMESPACE), 1_000_000)
    limit_records(narrow.cluster.bootstrap, letters, LIMIT)
    offset = narrow.put(narrow.names.events(NAMESPACE), place, b"k", b"no event" * 100, [("x", MUCH[:19_500].encode())])
    narrow.send(CoinsPut(jar_id="j", pence=1), place)
    with Engine(narrow, bank_jars.table(), [place], tmp_path) as engine:
        engine.run_through()
        assert engine.rows() == {b"j": JarRow(jar_id="j", pence=1)}
    (found,) = narrow.dead_letters(place, TABLE)
    letter = read_dead_letter(found.key, found.value, found.headers)
    assert letter is not None
    assert (letter.is_stub, letter.original.offset, letter.reason) == (True, offset, "undecodable")
    assert letter.detail.startswith("the record is too large for the dead letters, look for it at its place: ")


@pytest.mark.kafka
def test_a_row_that_its_changelog_refuses_stops_its_partition_alone(narrow: Bank, tmp_path: Path) -> None:
    here, there = narrow.partition(), narrow.partition()
    with Engine(narrow, bank_jars.table(), [here, there], tmp_path) as engine:
        limit_records(narrow.cluster.bootstrap, engine.topology.changelog, LIMIT)
        narrow.send(CoinsPut(jar_id="j", pence=1), here)
        offset = narrow.send(CoinsPut(jar_id="j", pence=1, how="row large"), here)
        for number in range(40):
            narrow.send(CoinsPut(jar_id=f"j{number}", pence=1, how="row wide"), there)
        engine.run_through(20)
        (stopped,) = engine.core.stopped().items()
        assert stopped[0] == here
        assert f"/{here}/{offset}" in stopped[1]
        assert f"raise {engine.topology.changelog}'s max.message.bytes" in stopped[1]
        assert (len(engine.held(here)), len(engine.held(there))) == (1, 40)


@pytest.fixture
def nothing_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that may not ask for the settings of topics."""
    monkeypatch.setattr(RecordLimits, "learn", lambda *_: None)


@pytest.mark.kafka
@pytest.mark.usefixtures("nothing_learned")
def test_a_record_that_only_the_broker_knows_to_be_too_large_is_found_by_halves(
    narrow: Bank, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    find_the_record_by_halves(narrow, tmp_path)
    assert caplog.text.count("a transaction failed: MSG_SIZE_TOO_LARGE") == 1


@pytest.mark.chaos
@pytest.mark.usefixtures("nothing_learned")
def test_a_record_that_only_three_brokers_know_to_be_too_large_is_found_by_halves(tmp_path: Path) -> None:
    """There librdkafka counted on behind the refused batch: each later transaction was refused for the gap."""
    with Stack(tmp_path / "stack", nodes=3).start(progress=False) as stack:
        bank = Bank(Cluster(stack.bootstrap, stack.registry_url), f"n{uuid.uuid4().hex[:10]}", partitions=2)
        find_the_record_by_halves(bank, tmp_path)
        bank.close()


def find_the_record_by_halves(bank: Bank, folder: Path) -> None:
    here, there = bank.partition(), bank.partition()
    with Engine(bank, bank_jars.table(), [here, there], folder) as engine:
        limit_records(bank.cluster.bootstrap, engine.topology.changelog, LIMIT)
        for number in range(12):
            bank.send(CoinsPut(jar_id=f"j{number}", pence=1, how="row large" if number == 7 else ""), here)
            bank.send(CoinsPut(jar_id=f"j{number}", pence=1), there)
        engine.run_through(20)
        (stopped,) = engine.core.stopped().items()
        assert stopped[0] == here
        assert f"/{here}/7, which has failed again and again, alone: MSG_SIZE_TOO_LARGE" in stopped[1]
        assert (len(engine.held(here)), len(engine.held(there))) == (7, 12)
        skip_without_a_restart(engine, f"{engine.topology.inputs[0]}/{here}/7")
        assert (len(engine.held(here)), engine.core.stopped()) == (11, {})
        (letter,) = bank.dead_letters(here, TABLE)
        assert (letter.header("vw_reason"), letter.header("vw_offset")) == ("skipped", "7")


def skip_without_a_restart(engine: Engine, place: str) -> None:
    """Have the poison record skipped, as an operator does: what it says is the way is one."""
    assert f"`verbwire parked skip {TABLE} --at {place}`" in engine.core.stopped()[int(place.split("/")[1])]
    with closing(ParkedDesk(engine.bank.connection, engine.bank.registry, shown_message)) as desk:
        desk.skip_record(bank_jars.table(), place, "ann", "too large")
    engine.run_through(20)


@pytest.mark.kafka
def test_a_record_id_without_end_fails_its_command_alone(narrow: Bank, place: int, tmp_path: Path) -> None:
    with Engine(narrow, bank_jars.receiver(), [place], tmp_path) as engine:
        offset = narrow.send(PutCoins(jar_id="j", pence=1), place, id="x" * 31_000)
        narrow.send(PutCoins(jar_id="j", pence=2), place, id="c2")
        engine.run()
        first, second = narrow.outcomes(place)
        topic = narrow.names.commands(NAMESPACE)
        assert (first.status, first.command_id) == ("FAILED", f"{topic}/{place}/{offset}")
        assert (second.status, second.command_id) == ("ACCEPTED", "c2")
        assert engine.rows() == {b"j": JarState(jar_id="j", pence=2)}


@pytest.mark.kafka
def test_a_topic_that_takes_next_to_nothing_is_named(narrow: Bank, place: int, tmp_path: Path) -> None:
    with Engine(narrow, bank_jars.table(), [place], tmp_path) as engine:
        assert engine.core.stopped() == {}
        limit_records(narrow.cluster.bootstrap, engine.topology.changelog, 1000)
        engine.own(place)
        why = engine.core.stopped()[place]
        assert (
            why
            == f"{engine.topology.changelog} takes 1000 bytes at most, 16384 are needed: raise its max.message.bytes"
        )
