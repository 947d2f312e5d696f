"""Transactions: how much goes into one, and that what could not be dealt with is dealt with later, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from confluent_kafka import Producer

from tests.kit import bank_jars
from tests.kit.bank import CATALOG, NAMESPACE, RECEIVER, TABLE, Bank
from tests.kit.cluster import eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow, JarState, PutCoins
from tests.kit.tcp_proxy import TcpProxy
from verbwire.contracts.schema.model import Contract
from verbwire.engine.group import BatchLimits
from verbwire.engine.transactions import local_writes
from verbwire.engine.transactions.committer import NotTakenError
from verbwire.engine.transactions.producers import FIRST, INIT_SECONDS, SECOND, SLOTS
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import EngineError, FencedError, UnavailableError, VerbwireError
from verbwire.messages import Command, Event
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.avro.schema_equality import canonical
from verbwire.wire.codec.topics import Codec
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka


def test_a_fetch_larger_than_a_transaction_becomes_several(
    bank: Bank, table: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table.core, "batch", BatchLimits(records=50))
    before = table.counted("transactions_total", result="committed"), table.counted("records_total")
    for number in range(220):
        bank.send(CoinsPut(jar_id=f"j{number % 7}", pence=number), table.partition)
    table.run()
    assert table.counted("transactions_total", result="committed") - before[0] == 5
    assert table.counted("records_total") - before[1] == 220
    assert sum(row.pence for row in table.rows().values() if isinstance(row, JarRow)) == sum(range(220))
    inputs = [each.header("vw_inputs") for each in bank.read(table.topology.changelog, table.partition)]
    topic = bank.names.events(NAMESPACE)
    assert [each for each in inputs if each] == [f"{topic}:{offset}" for offset in (50, 100, 150, 200, 220)]


def test_the_next_transaction_is_begun_when_the_last_is_committed(bank: Bank, table: Engine) -> None:
    """To begin one holds up every other thread: nobody waits for it then. One that has failed since is begun anew."""
    producers = table.core._producers
    for number in range(3):
        bank.send(CoinsPut(jar_id=f"j{number}", pence=1), table.partition)
        table.run()
    assert producers._begun == set(SLOTS)
    producers.give_up(0)
    assert producers._begun == {1}
    for number in range(3):
        bank.send(CoinsPut(jar_id=f"k{number}", pence=1), table.partition)
        table.run()
    assert producers._begun == set(SLOTS)
    assert len(table.rows()) == 6


def test_a_group_at_rest_keeps_one_producer_until_transactions_follow_each_other(bank: Bank, table: Engine) -> None:
    producers, sent = table.core._producers, 0

    def put() -> None:
        nonlocal sent
        bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
        table.run()
        sent += 1

    put()
    producers.begin(SECOND)
    producers.let_go(-1.0)
    assert sorted(producers._producers) == [*SLOTS], "it is in a transaction"
    producers.ended(SECOND)
    producers.let_go(3600.0)
    assert sorted(producers._producers) == [*SLOTS], "the group is not at rest"
    producers.let_go(-1.0)
    assert [*producers._producers] == [FIRST]
    producers._began_at -= 3600  # it has been for an hour
    put()
    assert producers._making is None, "one transaction an hour needs no second producer"

    def has_both() -> bool:
        put()
        return sorted(producers._producers) == [*SLOTS]

    eventually(has_both)
    for _ in range(3):
        put()
    assert table.rows() == {b"j": JarRow(jar_id="j", pence=sent)}


def test_a_second_producer_that_is_being_made_is_made_once(
    bank: Bank, table: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two of one name the later fences the earlier, whichever is kept."""
    producers, made = table.core._producers, []
    create = producers._create

    def counted(worker: str, slot: int, seconds: float = INIT_SECONDS) -> Producer:
        made.append(slot)
        return create(worker, slot, seconds)

    monkeypatch.setattr(producers, "_create", counted)
    for _ in range(5):
        producers.let_go(-1.0)
        assert producers.next_slot() == FIRST
        producers.ready()
    assert made == [SECOND] * 5
    bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    table.run()
    assert table.rows() == {b"j": JarRow(jar_id="j", pence=1)}


def test_local_writes_that_wait_are_there_for_the_next_batch_for_a_start_over_and_when_nothing_follows(
    bank: Bank, table: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes, state = table.core._committer._local_writes, table.core.reader.states[table.partition]
    monkeypatch.setattr(writes, "_patient", True)
    monkeypatch.setattr(local_writes, "LARGE", 1)
    topic = bank.names.events(NAMESPACE)

    def put(times: int) -> None:
        for _ in range(times):
            bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
            table.run()

    put(3)
    table.prepare()
    assert table.rows() == {b"j": JarRow(jar_id="j", pence=3)}
    put(2)
    eventually(lambda: state.inputs[topic] >= table.next[topic, table.partition])
    assert table.rows() == {b"j": JarRow(jar_id="j", pence=5)}


def test_a_fetch_of_more_bytes_than_a_transaction_takes_becomes_several(
    bank: Bank, table: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = bank.names.events(NAMESPACE)
    for number in range(20):
        bank.send(CoinsPut(jar_id=f"j{number:02}", pence=1), table.partition)
    sizes = [len(record.value or b"") for record in table.fetch()[topic, table.partition]]
    before = table.counted("transactions_total", result="committed")
    monkeypatch.setattr(table.core, "batch", BatchLimits(bytes=sum(sizes[:5])))
    table.run()
    assert table.counted("transactions_total", result="committed") - before == 4
    bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    monkeypatch.setattr(table.core, "batch", BatchLimits(bytes=1))  # one goes in any case
    table.run()
    assert sum(row.pence for row in table.rows().values() if isinstance(row, JarRow)) == 21


def test_several_partitions_share_transactions(bank: Bank, table: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table.core, "batch", BatchLimits(records=50))
    partitions = [table.partition, bank.partition(), bank.partition()]
    table.own(*partitions)
    before = table.counted("transactions_total", result="committed")
    for partition in partitions:
        for _ in range(40):
            bank.send(CoinsPut(jar_id="j", pence=1), partition)
    table.run()
    assert table.counted("transactions_total", result="committed") - before == 3
    assert [table.held(p) for p in partitions] == [{b"j": JarRow(jar_id="j", pence=40)}] * 3


@pytest.mark.parametrize("known", [True, False], ids=["pace known", "first records"])
def test_transactions_of_slow_handlers_stay_short(bank: Bank, partition: int, tmp_path: Path, known: bool) -> None:
    """The broker lets a transaction live for ten seconds; whoever reads its topics waits for its end."""
    slow = PutCoins(jar_id="j", pence=1, how="slow")  # 0.1 s each
    short = BatchLimits(seconds=0.2)
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path, batch=short) as engine:
        if known:
            bank.send(slow, partition)
            engine.run()
        before = engine.counted("transactions_total", result="committed")
        for _ in range(10):
            bank.send(slow, partition)
        engine.run()
        assert engine.counted("transactions_total", result="committed") - before >= 4
    assert [line.status for line in bank.outcomes(partition)] == ["ACCEPTED"] * (10 + known)


def test_a_slow_partition_does_not_keep_the_others_waiting(
    bank: Bank, receiver: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver.core, "batch", BatchLimits(seconds=0.15))
    slow, quick = receiver.partition, bank.partition()
    receiver.own(slow, quick)
    for _ in range(8):
        bank.send(PutCoins(jar_id="j", pence=1, how="slow"), slow)  # 0.1 s each
    bank.send(PutCoins(jar_id="j", pence=1), quick)
    receiver.run()
    topic = bank.names.outcomes(NAMESPACE)
    (answered,) = bank.read(topic, quick)
    later = [each for each in bank.read(topic, slow) if each.timestamp > answered.timestamp]
    assert len(later) >= 4


def test_redelivered_records_are_not_counted_again(bank: Bank, table: Engine) -> None:
    """The engine owns its positions; should a fetch go back all the same, it notices."""
    for _ in range(3):
        bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    again = dict(table.next)
    table.run()
    table.next = again
    bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    table.run()
    assert table.rows() == {b"j": JarRow(jar_id="j", pence=4)}


def test_a_partition_that_is_not_held_is_left_alone(bank: Bank, table: Engine) -> None:
    other, topic = bank.partition(), bank.names.events(NAMESPACE)
    bank.send(CoinsPut(jar_id="j", pence=1), other)
    table.core.process({(topic, other): bank.read(topic, other)}, table.membership, lambda: True)
    eventually(lambda: not table.core.busy())
    assert [bank.read(table.topology.changelog, each) for each in (table.partition, other)] == [[], []]


@pytest.mark.parametrize("how", ["no member", "old generation", "another member", "taken away"])
def test_fencing_without_a_membership_lets_nothing_become_visible(bank: Bank, receiver: Engine, how: str) -> None:
    partition, mine = receiver.partition, receiver.membership
    bank.send(PutCoins(jar_id="j", pence=1), partition, id="c1")
    wrong = {
        "no member": replace(mine, generation=-1, member=""),
        "old generation": replace(mine, generation=mine.generation + 1),
        "another member": replace(mine, member="somebody else"),
        "taken away": mine,
    }
    receiver.membership, receiver.live = wrong[how], how != "taken away"
    try:
        with pytest.raises(FencedError):
            receiver.run()
    finally:
        receiver.membership, receiver.live = mine, True
    assert (bank.events(partition), bank.outcomes(partition)) == ([], [])
    assert receiver.held(partition) == {}
    receiver.prepare()  # the next assignment
    receiver.run()
    assert [line.command_id for line in bank.outcomes(partition)] == ["c1"]
    assert receiver.held(partition) == {b"j": JarState(jar_id="j", pence=1)}


def test_a_producer_that_did_not_get_its_records_out_is_replaced(
    bank: Bank, receiver: Engine, partition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been told of no broker at all for a moment; it would fail the same way for ever."""
    committer, producers = receiver.core._committer, receiver.core._producers
    flush, stuck = committer._flush, iter([True])
    held = [producers.get(slot) for slot in SLOTS]

    def flush_or_not(transaction: Transaction) -> None:
        if next(stuck, False):
            raise NotTakenError("the broker did not take 2 records")
        flush(transaction)

    monkeypatch.setattr(committer, "_flush", flush_or_not)
    bank.send(PutCoins(jar_id="j", pence=1), partition, id="c1")
    with pytest.raises(NotTakenError):
        receiver.run()
    receiver.prepare()
    assert sum(producers.get(slot) is before for slot, before in zip(SLOTS, held, strict=True)) == 1
    receiver.run()
    assert [line.command_id for line in bank.outcomes(partition)] == ["c1"]


def test_fencing_while_a_transaction_is_built_starts_over(
    bank: Bank, partition: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a paused worker wakes up: the broker has given its transaction up, and produce() is the first to know."""
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path) as engine:
        name = bank.names.transactional_id(engine.topology.group, engine.worker, 0)
        done = iter([False, True])

        def fence(command: PutCoins) -> list[CoinsPut]:
            if not next(done, True):
                Producer({**bank.kafka, "transactional.id": name}).init_transactions(10)
            return [CoinsPut(jar_id="j", pence=1)]

        def wait(command: PutCoins) -> list[CoinsPut]:
            time.sleep(0.5)
            return [CoinsPut(jar_id="j", pence=1)]

        monkeypatch.setitem(bank_jars.WRONG, "fence", fence)
        monkeypatch.setitem(bank_jars.WRONG, "wait", wait)
        for number, how in enumerate(["", "fence", "", "wait", "", ""]):
            bank.send(PutCoins(jar_id="j", pence=1, how=how), partition, id=str(number))
        with pytest.raises(VerbwireError) as failed:
            engine.run()
        assert not isinstance(failed.value, EngineError), failed.value
        aborts = sum(float(line.rpartition(" ")[2]) for line in _lines(engine, "verbwire_aborts_total"))
        assert aborts >= 1
        engine.prepare()
        assert engine.counted("resets_total") == 1
        engine.run_through()
        assert engine.rows() == {b"j": JarState(jar_id="j", pence=6)}
    assert [line.command_id for line in bank.outcomes(partition)] == [*"012345"]


@pytest.mark.parametrize("told", ["at the commit", "while producing"])
def test_fencing_twice_at_once_means_a_worker_of_the_same_name(
    bank: Bank, partition: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """Once may be a transaction that took too long; twice is another process of our name, and no waiting helps."""
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path) as engine:
        name = bank.names.transactional_id(engine.topology.group, engine.worker, 0)

        def fence(command: PutCoins) -> list[CoinsPut]:
            Producer({**bank.kafka, "transactional.id": name}).init_transactions(10)
            return [CoinsPut(jar_id="j", pence=1)]

        def wait(command: PutCoins) -> list[CoinsPut]:
            time.sleep(0.5)
            return [CoinsPut(jar_id="j", pence=1)]

        monkeypatch.setitem(bank_jars.WRONG, "fence", fence)
        monkeypatch.setitem(bank_jars.WRONG, "wait", wait)
        for how in ("fence", "", "wait", "") if told == "while producing" else ("fence",):
            bank.send(PutCoins(jar_id="j", pence=1, how=how), partition)
        with pytest.raises(UnavailableError):
            engine.run()
        engine.core._producers._last = SECOND  # the same producer's turn again
        engine.prepare()
        with pytest.raises(EngineError, match=f"another process uses the worker name '{engine.worker}' in group"):
            engine.run()


def _lines(engine: Engine, name: str) -> list[str]:
    return [line for line in engine.metrics.exposition().decode().splitlines() if line.startswith(name)]


class CoinsPutLater(Event, frozen=True, kw_only=True):
    """The next version of CoinsPut."""

    __contract__: ClassVar[str] = CoinsPut.__contract__
    jar_id: str
    pence: int
    how: str = ""
    note: str = "new"


class PutCoinsLater(Command, frozen=True, kw_only=True):
    """The next version of PutCoins."""

    __contract__: ClassVar[str] = PutCoins.__contract__
    jar_id: str
    pence: int
    how: str = ""
    note: str = "new"


def later(bank: Bank, name: str) -> Encoder:
    """Deploy the next version of a contract, as its owner may at any time."""
    contract: Contract = CATALOG.find(name)
    note = {"name": "note", "type": "string", "default": "", "doc": "What stands on it."}
    schema = {**contract.schema, "fields": [*contract.schema["fields"], note]}
    contract = replace(contract, schema=schema, text=canonical(schema))
    return Encoder(contract, bank.registry.register(bank.names.subject(contract.name), contract.text))


@pytest.fixture
def gate(bank: Bank) -> Iterator[TcpProxy]:
    with TcpProxy(bank.cluster.registry_url) as opened:
        yield opened


def test_events_of_a_schema_that_cannot_be_asked_for_wait(
    bank: Bank, gate: TcpProxy, partition: int, tmp_path: Path
) -> None:
    topic, registry = bank.names.events(NAMESPACE), Registry(gate.url, {"max.retries": 0})
    codec = Codec(CATALOG, registry, bank.names)
    with Engine(bank, bank_jars.table(), [partition], tmp_path, codec=codec) as engine:
        bank.send(CoinsPut(jar_id="j", pence=1), partition)
        engine.run()
        gate.shut()
        bank.send(CoinsPut(jar_id="j", pence=2), partition)
        value = later(bank, "bank.jars.CoinsPut")(CoinsPutLater(jar_id="j", pence=4))
        bank.put(topic, partition, b"j", value)
        for _ in range(2):
            with pytest.raises(UnavailableError):
                engine.run()
            assert engine.held(partition) == {b"j": JarRow(jar_id="j", pence=1)}
            engine.prepare()
        gate.open()
        engine.run()
        assert engine.rows() == {b"j": JarRow(jar_id="j", pence=7)}
        assert engine.core.stopped() == {}
    assert bank.dead_letters(partition, TABLE) == []
    registry.close()


def test_commands_of_a_schema_that_cannot_be_asked_for_wait(
    bank: Bank, gate: TcpProxy, partition: int, tmp_path: Path
) -> None:
    topic, registry = bank.names.commands(NAMESPACE), Registry(gate.url, {"max.retries": 0})
    codec = Codec(CATALOG, registry, bank.names)
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path, codec=codec) as engine:
        gate.shut()
        bank.put(
            topic,
            partition,
            b"j",
            later(bank, "bank.jars.PutCoins")(PutCoinsLater(jar_id="j", pence=4)),
            [("ce_id", b"c1"), ("ce_actor", b"ann")],
        )
        with pytest.raises(UnavailableError):
            engine.run()
        assert (bank.outcomes(partition), bank.dead_letters(partition, RECEIVER)) == ([], [])
        gate.open()
        engine.run_through()
        assert engine.rows() == {b"j": JarState(jar_id="j", pence=4)}
    assert [(line.command_id, line.status) for line in bank.outcomes(partition)] == [("c1", "ACCEPTED")]
    registry.close()
