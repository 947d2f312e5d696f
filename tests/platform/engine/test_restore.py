"""Before a partition starts: whatever became of its local copy, it has the rows, ids and positions of its logs."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer

from tests.kit import bank_jars
from tests.kit.bank import NAMESPACE, SECONDS, Bank
from tests.kit.cluster import eventually
from tests.kit.descriptors import open_below
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow, JarState, PutCoins
from verbwire.engine.restore import changelog, copy_loads, open_transactions
from verbwire.engine.restore.changelog import CancelledRestore
from verbwire.engine.restore.partition_restorer import PartitionRestorer
from verbwire.engine.topology import Topology
from verbwire.errors import UnavailableError
from verbwire.kafka import offsets
from verbwire.kafka.offsets import ClusterOffsets, _require_offsets

pytestmark = pytest.mark.kafka

COUNT = 400


def key(number: int) -> str:
    return f"jar-{number:04}"


def fill(bank: Bank, table: Engine, count: int = COUNT) -> dict[bytes, JarRow]:
    """Rows enough for several pages of the file; returns what they are."""
    for number in range(count):
        bank.send(CoinsPut(jar_id=key(number), pence=number), table.partition)
    table.run()
    return {key(number).encode(): JarRow(jar_id=key(number), pence=number) for number in range(count)}


def say(path: Path, name: str, value: object) -> None:
    """Change what a copy says of itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("update meta set value = ? where name = ?", (str(value), name)).rowcount


def damage(path: Path) -> None:
    """Change the kind of all pages but the first ones: the file opens, and fails when it is read."""
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    for page in range(4 * size, len(data), size):
        data[page] ^= 0x40
    path.write_bytes(data)


LOST: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "garbage": lambda path: path.write_bytes(b"garbage" * 5000),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "of another topic": lambda path: say(path, "rows", "the id of another"),
    "of another format": lambda path: say(path, "format", "0"),
    "too old": lambda path: say(path, "touched", time.time() - 4 * 86_400),
    "damaged inside": damage,
}


@pytest.mark.parametrize("how", LOST)
def test_restore_replaces_a_copy_that_is_of_no_use(bank: Bank, table: Engine, how: str) -> None:
    rows, partition = fill(bank, table), table.partition
    restored = table.counted("restore_rows_total")
    table.core.release()
    LOST[how](table.store(partition))
    table.prepare()
    bank.send(CoinsPut(jar_id=key(0), pence=1), partition)  # touches what it has
    table.run_through()
    assert table.counted("restore_rows_total") - restored == COUNT
    rows[key(0).encode()] = JarRow(jar_id=key(0), pence=1)
    assert table.held(partition) == rows
    assert table.inputs(partition) == {bank.names.events(NAMESPACE): COUNT + 1}


@pytest.mark.parametrize("copy", ["written", "restored"])
def test_restore_takes_a_copy_that_is_up_to_date_as_it_is(bank: Bank, table: Engine, copy: str) -> None:
    rows = fill(bank, table, 5)
    if copy == "restored":
        table.core.release()
        table.store(table.partition).unlink()
        table.prepare()
    restored = table.counted("restore_rows_total")
    table.prepare()
    assert table.rows() == rows
    assert table.counted("restore_rows_total") == restored


def test_restore_brings_a_copy_that_lags_up_to_date(bank: Bank, table: Engine, tmp_path: Path) -> None:
    """As after a crash between the commit and the local write."""
    fill(bank, table, 10)
    table.core.release()
    shutil.copy(table.store(table.partition), tmp_path / "older")
    table.prepare()
    for number in range(5, 8):
        bank.send(CoinsPut(jar_id=key(number), pence=100, how="delete" if number == 7 else ""), table.partition)
    table.run()
    rows, restored = table.held(table.partition), table.counted("restore_rows_total")
    table.core.release()
    shutil.copy(tmp_path / "older", table.store(table.partition))
    table.prepare()
    assert table.rows() == rows
    assert table.counted("restore_rows_total") - restored == 3
    assert key(7).encode() not in rows


def test_restore_that_is_cancelled_goes_on_and_nothing_half_is_ever_read(
    bank: Bank, table: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_loads, "LEAST", COUNT)
    monkeypatch.setattr(changelog, "BATCH", COUNT // 4)
    rows, partition = fill(bank, table), table.partition
    table.core.release()
    table.store(partition).unlink()
    before = table.counted("restore_rows_total")
    with pytest.raises(CancelledRestore):
        table.core.restore([partition], lambda: table.counted("restore_rows_total") > before, True)
    read = table.counted("restore_rows_total") - before
    assert 0 < read < COUNT
    with closing(sqlite3.connect(table.store(partition))) as copy:
        assert copy.execute("select count(*) from rows").fetchone() == (0,)
    table.prepare()
    assert table.counted("restore_rows_total") - before == COUNT, "what was read is not read again"
    assert table.rows() == rows
    bank.send(CoinsPut(jar_id=key(0), pence=1), partition)
    table.run_through()
    assert table.held(partition)[key(0).encode()] == JarRow(jar_id=key(0), pence=1)


def test_restore_mends_damage_that_is_found_at_work(bank: Bank, table: Engine, tmp_path: Path) -> None:
    rows, partition = fill(bank, table), table.partition
    with Engine(bank, bank_jars.table(), [partition], table.folder) as fresh:  # has nothing in memory
        damage(fresh.store(partition))
        for number in range(COUNT):
            bank.send(CoinsPut(jar_id=key(number), pence=1000), partition)
        fresh.run_through()
        expected = {each: replace_pence(row, row.pence + 1000) for each, row in rows.items()}
        assert fresh.rows() == expected


def replace_pence(row: JarRow, pence: int) -> JarRow:
    return JarRow(jar_id=row.jar_id, pence=pence, label=row.label)


def test_restore_makes_another_copy_for_other_columns(bank: Bank, table: Engine, tmp_path: Path) -> None:
    rows = fill(bank, table, 5)
    declared = bank_jars.table()
    declared.index = ("pence",)
    with Engine(bank, declared, [table.partition], table.folder) as after:
        assert after.rows() == rows
        assert after.ask(table.partition, "select sum(f_pence) from rows") == [(10,)]
        assert after.counted("restore_rows_total") == 5


def test_a_row_that_nobody_can_read_stops_its_partition_and_no_other(bank: Bank, table: Engine) -> None:
    stained, clean = table.partition, bank.partition()
    for partition in (stained, clean):
        bank.send(CoinsPut(jar_id="j", pence=2), partition)
    table.own(stained, clean)
    table.run()
    table.core.release()
    row = bank.codec.encoder(bank.codec.catalog.of(JarRow))(JarRow(jar_id="k", pence=1))
    bank.put(table.topology.changelog, stained, b"k", row + b"one byte too many")
    declared = bank_jars.table()
    declared.index = ("pence",)
    with Engine(bank, declared, [stained, clean], table.folder) as after:
        assert [*after.core.stopped()] == [stained]
        said = after.core.stopped()[stained]
        assert "of the key b'k' cannot be read: not a bank.jars.JarRow" in said
        assert f"/{stained}@" in said
        assert after.held(clean) == {b"j": JarRow(jar_id="j", pence=2)}
        bank.put(table.topology.changelog, stained, b"k", None)
        after.core.release()
        after.prepare()
        assert after.core.stopped() == {}
        assert after.held(stained) == {b"j": JarRow(jar_id="j", pence=2)}


@pytest.mark.parametrize("copy", ["written", "restored"])
def test_restore_brings_the_facts_of_a_partition_with_its_rows(bank: Bank, table: Engine, copy: str) -> None:
    """Also those that changed in a transaction which changed no row."""
    partition = table.partition
    fill(bank, table, 3)
    table.core._caches[partition].facts["vw_test"] = b"as it was"
    bank.send(CoinsPut(jar_id=key(0), pence=1), partition)
    table.run()
    table.core._caches[partition].facts["vw_test"] = b"as it is"
    bank.put(bank.names.events(NAMESPACE), partition, b"k", b"no event: it becomes a dead letter")
    table.run()
    table.core.release()
    if copy == "restored":
        table.store(partition).unlink()
    table.prepare()
    assert table.core._caches[partition].facts["vw_test"] == b"as it is"


def test_no_key_of_a_users_row_is_the_engines_own(bank: Bank, table: Engine) -> None:
    """It says with a deletion how far it is, where no row has changed."""
    partition, odd = table.partition, "\0verbwire"
    bank.send(CoinsPut(jar_id=odd, pence=5), partition)
    table.run()
    table.core._caches[partition].facts["vw_test"] = b"changed"
    bank.put(bank.names.events(NAMESPACE), partition, b"k", b"no event: it becomes a dead letter")
    table.run()
    (mark,) = [record for record in bank.read(table.topology.changelog, partition) if record.value is None]
    assert mark.key == b""
    table.core.release()
    table.store(partition).unlink()
    table.prepare()
    assert table.rows() == {odd.encode(): JarRow(jar_id=odd, pence=5)}


def test_restore_of_an_aggregate_brings_states_and_positions(bank: Bank, receiver: Engine) -> None:
    """What was refused or failed left no row: the outcomes tell how far the commands are."""
    partition, topic = receiver.partition, bank.names.commands(NAMESPACE)
    for how in ("", "raises"):
        for _ in range(3):
            bank.send(PutCoins(jar_id="j", pence=1, how=how), partition)
        receiver.run()
    receiver.core.release()
    receiver.store(partition).unlink()
    receiver.prepare()
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=3)}
    assert receiver.ask(partition, "select value from meta where name like 'input %'") == [("6",)]
    assert receiver.next == {(topic, partition): 6}


@pytest.mark.parametrize("step", ["_store", "_starts", "_open_cache", "each alone"])
def test_restore_that_fails_leaves_no_copy_open(
    table: Engine, bank: Bank, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    partitions = (table.partition, bank.partition())
    table.own(*partitions)
    name = "_open_cache" if step == "each alone" else step
    does, failures = getattr(PartitionRestorer, name), 0

    def fails(self: PartitionRestorer, *arguments: object) -> object:
        """The second partition is the one that cannot be restored, whether by itself or with the first."""
        nonlocal failures
        if name == "_starts" or arguments[0] == partitions[1]:
            failures += 1
            raise RuntimeError("foreseen by nobody") if step == "each alone" and failures == 1 else CancelledRestore
        return does(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(PartitionRestorer, name, fails)
        with pytest.raises(CancelledRestore):
            table.core.restore(partitions, lambda: False, True)
    assert open_below(table.folder) == []
    table.prepare()
    assert len(open_below(table.folder)) >= len(partitions)


# -- what the group's offsets say, and what the logs know


def test_resume_of_a_new_table_begins_with_the_first_record(bank: Bank, partition: int, tmp_path: Path) -> None:
    for _ in range(3):
        bank.send(CoinsPut(jar_id="j", pence=1), partition)
    with Engine(bank, bank_jars.table(), [partition], tmp_path) as engine:
        assert engine.starts == {(bank.names.events(NAMESPACE), partition): 0}
        engine.run()
        assert engine.rows() == {b"j": JarRow(jar_id="j", pence=3)}


@dataclass
class Living:
    """Workers that are there, until they are not."""

    names: set[str]

    def dead(self, named: Collection[str]) -> set[str]:
        return set(named) - self.names

    def caught_up(self, group: str, partition: int) -> bool:  # noqa: ARG002 (the protocol's)
        return False


def test_fencing_waits_for_a_worker_that_lives_and_not_for_a_dead_one(
    bank: Bank, partition: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(open_transactions, "ABORT_DEAD_AFTER", 0.0)
    monkeypatch.setattr(open_transactions, "ABORT_DEAD_EVERY", 0.0)
    monkeypatch.setattr(open_transactions, "HANGING_AFTER", 0.0)
    first = Engine(bank, bank_jars.table(), [partition], tmp_path / "first", worker="lives")
    with first:
        fill(bank, first, 5)
    name = bank.names.transactional_id(first.topology.group, "lives", 0)
    producer = Producer({**bank.kafka, "transactional.id": name, "log_level": 0})
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    producer.produce(first.topology.changelog, b"never committed", b"key", partition)
    producer.flush(SECONDS)
    others = Living({"lives"})
    second = Engine(bank, bank_jars.table(), [partition], tmp_path / "second", others=others)
    second.core.start()
    try:
        assert second.core.restore([partition], lambda: False, True) == {}
        assert second.core.restore([partition], lambda: False, False) == {}
        assert f"{first.topology.changelog}/{partition} from " in caplog.text
        assert "kafka-transactions.sh" in caplog.text
        others.names.clear()
        eventually(lambda: second.core.restore([partition], lambda: False, False))
        with pytest.raises(KafkaException):
            producer.commit_transaction(SECONDS)
        assert second.held(partition) == first.held(partition)
    finally:
        second.core.close()


@pytest.mark.parametrize("copy", ["here", "lost"])
def test_resume_from_the_changelog_where_the_broker_forgot_the_offsets(bank: Bank, table: Engine, copy: str) -> None:
    fill(bank, table, 5)
    table.core.release()
    if copy == "lost":
        table.store(table.partition).unlink()
    bank.forget(table.topology.group)
    table.own(table.partition)
    bank.send(CoinsPut(jar_id=key(0), pence=7), table.partition)
    table.run()
    assert table.counted_pence() == sum(range(5)) + 7
    assert table.inputs(table.partition) == {bank.names.events(NAMESPACE): 6}


@pytest.mark.parametrize("copy", ["here", "lost"])
def test_resume_of_an_aggregate_with_forgotten_offsets_repeats_nothing(bank: Bank, receiver: Engine, copy: str) -> None:
    partition = receiver.partition
    for number, how in enumerate(["", "", "raises", "raises"]):
        if number == 2:
            receiver.run()  # what follows leaves no row that could say how far it came
        bank.send(PutCoins(jar_id="j", pence=1, how=how), partition, id=str(number))
    bank.put(bank.names.commands(NAMESPACE), partition, b"j", b"garbage", [("ce_id", b"4")])
    receiver.run()
    receiver.core.release()
    if copy == "lost":
        receiver.store(partition).unlink()
    bank.forget(receiver.topology.group)
    receiver.own(partition)
    bank.send(PutCoins(jar_id="j", pence=1), partition, id="5")
    receiver.run()
    assert [line.command_id for line in bank.outcomes(partition)] == [*"012345"]
    assert len(bank.dead_letters(partition)) == 3
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=3)}


def stands_still(engine: Engine, *said: str) -> None:
    (why,) = engine.core.stopped().values()
    assert all(each in why for each in said), why
    assert engine.starts == {}
    with pytest.raises(UnavailableError):
        engine.rows()


def test_resume_refuses_offsets_set_back_and_stops_the_partition(bank: Bank, table: Engine) -> None:
    """Reading again would count twice; nothing but somebody's decision helps."""
    fill(bank, table, 5)
    partition, other, topic = table.partition, bank.partition(), bank.names.events(NAMESPACE)
    bank.commit(table.topology.group, topic, partition, 3)
    bank.send(CoinsPut(jar_id="j", pence=1), other)
    table.own(partition, other)
    table.run()
    assert table.held(other) == {b"j": JarRow(jar_id="j", pence=1)}  # goes on
    table.own(partition)
    stands_still(table, "the group's offset in", "is 3, but records up to 5", "Restore the offset, or rebuild")
    bank.commit(table.topology.group, topic, partition, 5)
    table.own(partition)
    assert len(table.rows()) == 5


def test_resume_refuses_offsets_beyond_the_end_and_stops_the_partition(bank: Bank, table: Engine) -> None:
    """The topic has lost its end: what comes next would be passed over in silence until it is that long again."""
    fill(bank, table, 5)
    bank.commit(table.topology.group, bank.names.events(NAMESPACE), table.partition, 9)
    table.own(table.partition)
    stands_still(table, "the group's offset in", "is 9", "ends at 5")


def test_resume_behind_records_lost_before_they_were_read_stops_the_partition(bank: Bank, table: Engine) -> None:
    fill(bank, table, 5)
    for _ in range(3):
        bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    bank.cut_off(bank.names.events(NAMESPACE), table.partition, 7)
    table.prepare()
    stands_still(table, "no longer holds the records from 5 to 7", "then set the group's offset")


def test_resume_behind_records_lost_while_offsets_were_forgotten_stops_it_too(bank: Bank, table: Engine) -> None:
    fill(bank, table, 5)
    for _ in range(3):
        bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    bank.cut_off(bank.names.events(NAMESPACE), table.partition, 7)
    bank.forget(table.topology.group)
    table.own(table.partition)
    stands_still(table, "no longer holds the records from 5 to 7")


def test_resume_of_a_new_table_begins_with_what_retention_has_left(bank: Bank, partition: int, tmp_path: Path) -> None:
    for _ in range(5):
        bank.send(CoinsPut(jar_id="j", pence=1), partition)
    bank.cut_off(bank.names.events(NAMESPACE), partition, 3)
    with Engine(bank, bank_jars.table(), [partition], tmp_path) as engine:
        assert engine.starts == {(bank.names.events(NAMESPACE), partition): 3}
        engine.run()
        assert engine.rows() == {b"j": JarRow(jar_id="j", pence=2)}


# -- topics that are not as the plan takes for granted


def with_odd(part: str, odd: str) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        if part == "inputs":
            return replace(topology, inputs=(odd,))
        if part == "outputs":
            return replace(topology, outputs=(odd,))
        return replace(
            topology, logs=tuple(replace(log, topic=odd) if log.name == part else log for log in topology.logs)
        )

    return change


@pytest.mark.parametrize("part", ["inputs", "rows", "answers", "outputs"])
def test_with_another_number_of_partitions_the_group_stands_still(
    bank: Bank, tmp_path: Path, part: str, odd_topic: str
) -> None:
    with Engine(bank, bank_jars.receiver(), [0, 1], tmp_path, change=with_odd(part, odd_topic)) as engine:
        assert [*engine.core.stopped()] == [0, 1]
        for why in engine.core.stopped().values():
            assert f"{odd_topic} has 3 partitions, the group's other topics have {bank.partitions}" in why
            assert "Kafka takes no partitions back" in why


@pytest.mark.parametrize("part", ["inputs", "rows", "answers", "outputs"])
def test_a_topic_that_is_missing_is_named_at_the_start(bank: Bank, tmp_path: Path, part: str) -> None:
    engine = Engine(bank, bank_jars.receiver(), [0], tmp_path, change=with_odd(part, "never.deployed"))
    with pytest.raises(UnavailableError, match=r"no topic never\.deployed: run `verbwire deploy`"):
        engine.core.start()
    engine.core.close()


@pytest.fixture(scope="module")
def odd_topic(bank: Bank) -> str:
    return bank.create(f"{bank.names.prefix}.odd", 3)


def test_resume_takes_nothing_for_an_offset_that_is_none() -> None:
    """An end of -1001 would make every copy look complete, and every position look lost."""
    assert _require_offsets({("a", 0): 0, ("a", 1): 7}) == {("a", 0): 0, ("a", 1): 7}
    with pytest.raises(UnavailableError, match=r"a/1 in time, but -1001"):
        _require_offsets({("a", 0): 0, ("a", 1): -1001})


def test_a_broker_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "_SECONDS", 0.2)
    monkeypatch.setattr(offsets, "_DESCRIBE_SECONDS", 0.2)
    cluster = ClusterOffsets({"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}, "a.group")
    place = ("a.topic", 0)
    for ask in (cluster.stable, cluster.last_workers, cluster.starts, cluster.ends, cluster.stable_ends):
        with pytest.raises(UnavailableError):
            ask([place])
    with pytest.raises(UnavailableError, match=r"Kafka at 127\.0\.0\.1:1 "):
        cluster.topics(["a.topic"])
    with pytest.raises(UnavailableError):
        cluster.settings(["a.topic"])
