"""The desk of operators: what is parked, and what they ask for, against a broker and an engine."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.kit import bank_jars
from tests.kit.bank import TABLE, Bank
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow
from verbwire.dead_letters.shown import shown_message
from verbwire.declarations.parking import Parking
from verbwire.deploy.group_plan import GroupPlan
from verbwire.errors import ConfigurationError
from verbwire.inspection.parked_counts import ParkedCounter
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.parking.desk import ParkedDesk
from verbwire.parking.parked_key import ANY, ParkedFilter

pytestmark = pytest.mark.kafka

DECLARED = bank_jars.table(parking=Parking(keys=5, records=50))


@pytest.fixture(scope="module")
def engine(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(bank, DECLARED, [bank.partition()], tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture(scope="module")
def desk(bank: Bank) -> Iterator[ParkedDesk]:
    with closing(ParkedDesk(bank.connection, bank.registry, shown_message)) as opened:
        yield opened


def put(bank: Bank, partition: int, jar: str, pence: int, how: str = "") -> int:
    return bank.send(CoinsPut(jar_id=jar, pence=pence, how=how), partition)


@contextmanager
def working(engine: Engine) -> Iterator[None]:
    """Let the worker see to what is asked."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            engine.run()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def test_parked_keys_are_listed_shown_retried_and_skipped(bank: Bank, engine: Engine, desk: ParkedDesk) -> None:
    partition = engine.partition
    jars = [bank.key(partition) for _ in range(3)]
    for jar in jars:
        first = put(bank, partition, jar, 10, "raises" if jar != jars[2] else "row of another class")
        put(bank, partition, jar, 100)
    engine.run()
    mine = {each.key: each for each in desk.keys(DECLARED) if each.key in jars}
    assert {key: (each.records, each.attempts) for key, each in mine.items()} == dict.fromkeys(jars, (2, 1))
    assert mine[jars[2]].place == f"{bank.names.events('bank.jars')}/{partition}/{first}"
    assert mine[jars[2]].type == "bank.jars.CoinsPut"
    assert [each.key for each in desk.keys(DECLARED, ParkedFilter(text="returned JarState"))] == [jars[2]]
    assert desk.keys(DECLARED, ParkedFilter(type="CoinsTaken")) == []
    assert {each.key for each in desk.every([DECLARED, bank_jars.receiver()])} >= {*jars}
    counter = ParkedCounter(
        bank.connection, ClusterOffsets(bank.kafka, "verbwire.tests"), [GroupPlan.of(DECLARED, bank.connection.catalog)]
    )
    before = counter.counts()[DECLARED.group]
    every = desk.keys(DECLARED)
    assert (before.keys, before.records) == (len(every), sum(each.records for each in every))
    assert counter.counts()[DECLARED.group] is before, "nothing was written: the log is not read again"
    _, records = desk.show(DECLARED, jars[0])
    assert [(each.message["pence"], each.reason == "") for each in records] == [(10, False), (100, True)]
    assert "no such jar" in records[0].detail
    with working(engine):
        answered = desk.retry(DECLARED, [jars[0]], ANY, "ann", "", 15)
    assert [*answered.parked] == [jars[0]]
    assert {each.key: each.attempts for each in desk.keys(DECLARED) if each.key == jars[0]} == {jars[0]: 2}
    with working(engine):
        answered = desk.skip(DECLARED, jars[0], "ann", "a coin of a test", 15)
    assert (answered.handled, answered.waiting) == ([jars[0]], [])
    after = counter.counts()[DECLARED.group]
    assert (after.keys, after.records) == (before.keys - 1, before.records - 2)
    row = engine.rows()[jars[0].encode()]
    assert isinstance(row, JarRow)
    assert row.pence == 100
    with pytest.raises(ConfigurationError, match="is not parked"):
        desk.retry(DECLARED, [jars[0]], ANY, "ann", "", 0)
    with pytest.raises(ConfigurationError, match="say why"):
        desk.skip(DECLARED, jars[1], "ann", " ", 0)
    with pytest.raises(ConfigurationError, match="parks nothing"):
        desk.keys(bank_jars.receiver())


def leave_a_marker(bank: Bank, partition: int) -> None:
    """Abort a transaction: its marker takes an offset, and is no record."""
    producer = Producer({**bank.kafka, "transactional.id": uuid.uuid4().hex, "log_level": 3})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(bank.names.events("bank.jars"), b"nothing", b"j", partition)
    assert producer.flush(30) == 0
    producer.abort_transaction(30)


def test_parked_desk_skips_only_the_record_at_which_a_group_stands(
    bank: Bank, partition: int, desk: ParkedDesk, tmp_path: Path
) -> None:
    stopping = bank_jars.table()
    with Engine(bank, stopping, [partition], tmp_path) as engine:
        put(bank, partition, "j", 1)
        leave_a_marker(bank, partition)
        bad = put(bank, partition, "j", 10, "raises")
        engine.run_through()
        topic = bank.names.events("bank.jars")
        for place in (f"{topic}/{partition}/{bad + 1}", f"{topic}/{partition}/x", "nowhere"):
            with pytest.raises(ConfigurationError, match=r"does not stand at|is no place"):
                desk.skip_record(stopping, place, "ann", "why not")
        desk.skip_record(stopping, f"{topic}/{partition}/{bad}", "ann", "a coin of a test")
        put(bank, partition, "j", 5)
        engine.run_through()
        assert engine.core.stopped() == {}
        assert engine.counted_pence() == 6
    assert stopping.group == TABLE
