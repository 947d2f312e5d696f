"""What falls due: fired once, in order, by the broker's clock, from what the copies have at that moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import bank_jars
from tests.kit.bank import TABLE, Bank
from tests.kit.cluster import eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow
from verbwire.engine import firing
from verbwire.engine.group import BATCH
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.due_order import due_at, due_order
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import Due, EncodedRows, StopDue, Topology
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import FencedError, UnencodableError
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.record import Record
from verbwire.messages import Stored
from verbwire.testing.memory.clock import MemoryClock

pytestmark = pytest.mark.kafka

START = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
DUE = "due"


class Alarms:
    """A table of jars, each due as many seconds after the start as there are pence in it; fired, it is emptied."""

    def __init__(self) -> None:
        self.clock = MemoryClock(START)
        self.start = self.clock.now_ms()
        self.fails: dict[str, Exception] = {}  # by the label of a jar
        self.most = 1_000_000  # rows that are fired at once
        self.decode = lambda _: JarRow(jar_id="")

    def of(self, topology: Topology) -> Topology:
        """The topology of jars, with what falls due in it."""
        (rows,) = topology.logs

        def encode(changed: Mapping[bytes, Stored | None]) -> EncodedRows:
            found = topology.encode(changed)
            return {key: None if row is None else (*row, self.order(changed[key])) for key, row in found.items()}

        def absorb(changes: StoreChanges, record: Record) -> None:
            rows.absorb(changes, record)
            if (row := changes.rows[record.key or b""]) is not None:
                changes.rows[record.key or b""] = (*row, self.order(topology.decode(row[0])))  # type: ignore[arg-type]

        self.dead_letters = topology.outputs[0]
        log = replace(rows, absorb=absorb)
        return replace(
            *(topology,), own_columns=(DUE,), logs=(log,), encode=encode, due=Due(DUE, self.clock, self.fire)
        )

    def order(self, row: Stored | None) -> bytes:
        assert isinstance(row, JarRow)
        return due_order(self.start + row.pence * 1000)

    def fire(self, cache: PartitionCache, keys: Sequence[bytes], now: int, transaction: Transaction) -> int:
        for done, key in enumerate(keys):
            row = cache.get(key)
            assert isinstance(row, JarRow)
            assert due_at(self.order(row)) <= now
            if isinstance(error := self.fails.get(row.label), StopDue):
                raise StopDue(done, key, error.reason)
            if error is not None:
                raise error
            transaction.produce(self.dead_letters, cache.partition, key, b"%d" % row.pence)
            cache.put(key, None)
            if done + 1 == self.most:
                return self.most
        return len(keys)


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def engine(bank: Bank, alarms: Alarms, tmp_path: Path) -> Iterator[Engine]:
    with Engine(bank, bank_jars.table(), [bank.partition()], tmp_path, change=alarms.of) as opened:
        yield opened


def put(engine: Engine, jar: str, pence: int, how: str = "") -> None:
    engine.bank.send(CoinsPut(jar_id=jar, pence=pence, how=how), engine.partition)


def fired(engine: Engine) -> list[tuple[str, int]]:
    """Which jars were fired, and with how many pence, in order."""
    records = engine.bank.dead_letters(engine.partition, TABLE)
    return [((each.key or b"").decode(), int(each.value or b"")) for each in records]


def seconds(engine: Engine) -> float | None:
    assert engine.core.due is not None
    return engine.core.due.seconds()


def test_what_is_due_is_fired_once_in_order_of_time(engine: Engine, alarms: Alarms) -> None:
    for jar, pence in {"c": 30, "a": 10, "b": 20, "z": 50}.items():
        put(engine, jar, pence)
    engine.run()
    assert fired(engine) == []
    assert seconds(engine) == 10
    alarms.clock.advance(30)
    engine.run()
    assert fired(engine) == [("a", 10), ("b", 20), ("c", 30)]
    assert [*engine.rows()] == [b"z"]
    engine.run()
    assert len(fired(engine)) == 3
    assert seconds(engine) == 20
    assert engine.counted("due_lateness_seconds_count") == 3


def test_what_is_due_is_not_fired_when_it_was_put_off_in_the_same_batch(engine: Engine, alarms: Alarms) -> None:
    put(engine, "a", 10)
    put(engine, "b", 10)
    engine.run()
    alarms.clock.advance(10)
    put(engine, "a", 5)
    put(engine, "b", 5, how="delete")
    engine.run()
    assert fired(engine) == []
    alarms.clock.advance(5)
    engine.run()
    assert fired(engine) == [("a", 15)]


def test_what_is_due_waits_until_the_brokers_time_is_known(bank: Bank, alarms: Alarms, tmp_path: Path) -> None:
    clock = alarms.clock = BrokerClock()  # type: ignore[assignment]
    with Engine(bank, bank_jars.table(), [bank.partition()], tmp_path, change=alarms.of) as engine:
        put(engine, "a", 10)
        engine.run()
        engine.run()
        assert fired(engine) == []  # though this machine's clock says that it is due long since
        assert 0 < (seconds(engine) or 0) < 1
        clock.observe(alarms.start + 9_000)
        engine.run()
        assert fired(engine) == []
        clock.observe(alarms.start + 10_000)
        engine.run()
        assert fired(engine) == [("a", 10)]


def test_what_fell_due_in_the_meantime_is_fired_after_a_restore_but_behind_the_inputs(
    engine: Engine, alarms: Alarms
) -> None:
    put(engine, "a", 10)
    put(engine, "b", 11)
    engine.run()
    put(engine, "a", 30)  # was there in time, and is read only after the restore
    alarms.clock.advance(20)
    engine.prepare()
    assert engine.core.due is not None
    assert engine.core.due.now_due() == []
    assert seconds(engine) == firing._LOOK_SECONDS
    engine.run()
    engine.run()
    assert fired(engine) == [("b", 11)]


def test_what_is_due_is_found_again_by_the_changelog_alone(bank: Bank, alarms: Alarms, tmp_path: Path) -> None:
    partition = bank.partition()
    with Engine(bank, bank_jars.table(), [partition], tmp_path / "one", change=alarms.of) as engine:
        put(engine, "b", 20)
        put(engine, "a", 10)
        engine.run()
    with Engine(bank, bank_jars.table(), [partition], tmp_path / "two", change=alarms.of) as other:
        assert seconds(other) == 10
        alarms.clock.advance(20)
        other.run()
        assert fired(other) == [("a", 10), ("b", 20)]


def test_what_is_due_is_fired_in_bounded_pieces(engine: Engine, alarms: Alarms) -> None:
    for number in range(7):
        put(engine, f"{number}", number)
    engine.run()
    alarms.clock.advance(10)
    alarms.most = 3
    engine.run()
    assert len(fired(engine)) == 3
    engine.run()
    engine.run()
    assert fired(engine) == [(f"{number}", number) for number in range(7)]


def test_a_zombie_fires_nothing(engine: Engine, alarms: Alarms) -> None:
    put(engine, "a", 10)
    engine.run()
    alarms.clock.advance(10)
    mine = engine.membership
    engine.membership = replace(mine, generation=mine.generation + 1)
    engine.core.process({}, engine.membership, lambda: True)
    eventually(lambda: not engine.core.busy())
    assert isinstance(engine.core.failure, FencedError)
    engine.membership = mine
    engine.prepare()
    assert fired(engine) == []
    engine.run()
    assert fired(engine) == [("a", 10)]


def test_what_is_due_and_cannot_be_passed_over_stops_its_partition_behind_the_rest(
    engine: Engine, alarms: Alarms
) -> None:
    put(engine, "a", 10)
    put(engine, "b", 11, how="row wide")
    put(engine, "c", 12)
    engine.run()
    alarms.fails[bank_jars.NOISE[:1_000]] = StopDue(0, b"", "no such alarm")
    alarms.clock.advance(20)
    engine.run()
    assert fired(engine) == [("a", 10)]
    (why,) = engine.core.stopped().values()
    assert "due for 'b': no such alarm" in why
    assert engine.counted("due_overdue_seconds") == 9
    assert seconds(engine) is None


def test_what_is_due_and_fails_for_good_is_found_and_not_tried_for_ever(engine: Engine, alarms: Alarms) -> None:
    for jar, pence, how in (("a", 10, ""), ("b", 11, "row wide"), ("c", 12, "")):
        put(engine, jar, pence, how)
    engine.run()
    alarms.fails[bank_jars.NOISE[:1_000]] = UnencodableError("the broker does not take it")
    alarms.clock.advance(20)
    for _ in range(12):
        if engine.core.stopped():
            break
        engine.run_through()
    (why,) = engine.core.stopped().values()
    assert "due/" in why
    assert "the broker does not take it" in why
    assert fired(engine) == [("a", 10)]


def test_a_batch_and_what_is_due_leave_nothing_behind_where_nothing_is_declared(bank: Bank, tmp_path: Path) -> None:
    with Engine(bank, bank_jars.table(), [bank.partition()], tmp_path, batch=BATCH) as engine:
        put(engine, "a", 10)
        engine.run()
        assert engine.core.due is None
        assert engine.counted("due_lateness_seconds_count") == 0
