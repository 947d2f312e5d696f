"""Tables: each event once into its row; a record that must not be skipped stops its own partition and no other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.kit import bank_jars
from tests.kit.bank import CATALOG, TABLE, Bank
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.books import BookClosed
from tests.kit.samples.bank.jars import CoinsPut, CoinsTaken, JarRow, JarShaken, PutCoins
from verbwire.declarations.table import Table
from verbwire.errors import UnavailableError
from verbwire.wire.avro.framing import frame

pytestmark = pytest.mark.kafka

STOPS = [
    "raises",
    "row of another class",
    "row under another key",
    "row beyond its type",
    "row out of bounds",
    "row too large",
]
SAYS = {
    "raises": ".put raised RuntimeError: no such jar",
    "row of another class": "returned JarState, the table's row is JarRow",
    "row under another key": "is not the event's key",
    "row beyond its type": "bank.jars.JarRow does not fit its schema",
    "row out of bounds": "bank.jars.JarRow is out of the bounds of its contract: pence is more than its maximum",
    "row too large": "a record may have",
}


def of_both() -> Table[JarRow]:
    """A table that hears two contexts; a book that is closed empties the jar of its key."""
    jars = Table("bank.jars", row=JarRow, parking=None)

    @jars.on
    def put(row: JarRow | None, event: CoinsPut) -> JarRow:
        return JarRow(jar_id=event.jar_id, pence=(row.pence if row else 0) + event.pence)

    @jars.on
    def closed(row: JarRow | None, event: BookClosed) -> JarRow | None:
        if event.jar_id == "bad":
            raise RuntimeError("the book is bad")
        return None

    return jars


def coins(pence: int, how: str = "", jar: str = "j") -> CoinsPut:
    return CoinsPut(jar_id=jar, pence=pence, how=how)


def test_rows_are_the_fold_of_their_events(bank: Bank, table: Engine) -> None:
    partition = table.partition
    for number in range(30):
        bank.send(coins(number, jar=f"j{number % 3}"), partition)
    table.run()
    for number in range(30, 40):
        bank.send(coins(number, jar=f"j{number % 3}"), partition)
    table.run()
    assert table.rows() == {
        f"j{jar}".encode(): JarRow(jar_id=f"j{jar}", pence=sum(range(jar, 40, 3))) for jar in range(3)
    }
    assert table.inputs(partition) == {bank.names.events("bank.jars"): 40}
    assert bank.dead_letters(partition, TABLE) == []


def test_the_changelog_holds_each_changed_row_once_a_batch_and_how_far_it_is(bank: Bank, table: Engine) -> None:
    partition, topic = table.partition, bank.names.events("bank.jars")
    for pence in (1, 2, 3):
        bank.send(coins(pence), partition)
        bank.send(coins(pence, jar="k"), partition)
    table.run()
    rows = bank.read(table.topology.changelog, partition)
    decoded = {record.key: table.topology.decode(record.value or b"") for record in rows}
    assert decoded == {b"j": JarRow(jar_id="j", pence=6), b"k": JarRow(jar_id="k", pence=6)}
    assert [record.header("vw_inputs") for record in rows] == [None, f"{topic}:6"]


def test_indexed_columns_can_be_asked_for(bank: Bank, table: Engine) -> None:
    bank.send(coins(7), table.partition)
    table.run()
    assert table.ask(table.partition, "select f_pence, f_label from rows") == [(7, "")]


def test_a_row_of_none_is_deleted_everywhere(bank: Bank, table: Engine) -> None:
    partition = table.partition
    bank.send(coins(7), partition)
    bank.send(coins(8, jar="k"), partition)
    table.run()
    bank.send(coins(1, "delete"), partition)
    table.run()
    assert table.rows() == {b"k": JarRow(jar_id="k", pence=8)}
    assert bank.read(table.topology.changelog, partition)[-1].value is None
    assert table.served(b"j") is None
    assert msgspec.json.decode(table.served(b"k") or b"")["pence"] == 8
    bank.send(coins(3), partition)  # and the next event begins a new row
    table.run()
    assert table.rows()[b"j"] == JarRow(jar_id="j", pence=3)


def test_a_row_written_and_deleted_in_one_batch_was_never_there(bank: Bank, table: Engine) -> None:
    bank.send(coins(7), table.partition)
    bank.send(coins(1, "delete"), table.partition)
    table.run()
    assert table.rows() == {}


def test_a_handlers_context_names_actor_and_place(bank: Bank, table: Engine) -> None:
    bank.send(coins(7), table.partition)
    bank.send(JarShaken(jar_id="j"), table.partition, actor="bob")
    bank.send(JarShaken(jar_id="k"), table.partition, actor=None)
    table.run()
    assert table.rows() == {
        b"j": JarRow(jar_id="j", pence=7, label="bob at 1"),
        b"k": JarRow(jar_id="k", label="None at 2"),
    }


def test_events_that_nobody_handles_are_passed_over(bank: Bank, table: Engine) -> None:
    for _ in range(5):
        bank.send(CoinsTaken(jar_id="j", pence=1), table.partition)
    table.run()
    assert table.rows() == {}
    assert table.inputs(table.partition) == {bank.names.events("bank.jars"): 5}
    assert bank.dead_letters(table.partition, TABLE) == []


@pytest.mark.usefixtures("registry_that_is_believed")
@pytest.mark.parametrize(
    "how", ["garbage", "no value", "no key", "left over", "unknown id", "a command", "another context", "headers"]
)
def test_a_dead_letter_is_made_of_what_is_no_event_and_the_partition_moves_on(
    bank: Bank, running_table: Engine, lane: int, unique: str, how: str
) -> None:
    table, partition, topic = running_table.share(lane), lane, bank.names.events("bank.jars")
    encode = bank.codec.encoder
    good = encode(CATALOG.find("bank.jars.JarShaken"))(JarShaken(jar_id="j"))
    key: bytes | None = b"j"
    value: bytes | None = {
        "garbage": b"garbage",
        "no value": None,
        "left over": good + b"\0",
        "unknown id": frame(2_000_000_000) + good[5:],
        "a command": encode(CATALOG.find("bank.jars.PutCoins"))(PutCoins(jar_id="j", pence=1)),
        "another context": encode(CATALOG.find("bank.books.BookClosed"))(BookClosed(jar_id="j")),
    }.get(how, good)
    if how == "no key":
        key = None
    headers = [("ce_id", b"e1"), ("ce_actor", b"\xff" if how == "headers" else b"ann")]
    bank.send(coins(1, jar=unique), partition)
    offset = bank.put(topic, partition, key, value, headers)
    bank.send(coins(2, jar=unique), partition)
    table.run_through()
    assert table.rows()[unique.encode()] == JarRow(jar_id=unique, pence=3)
    (letter,) = bank.dead_letters(partition, TABLE)
    assert (letter.key, letter.value, letter.headers[:2]) == (key, value, headers)
    assert (letter.header("vw_reason"), letter.header("vw_offset")) == ("undecodable", str(offset))
    assert table.core.stopped() == {}


@pytest.mark.parametrize("how", STOPS)
def test_a_record_that_cannot_be_folded_stops_its_partition_and_says_where(bank: Bank, table: Engine, how: str) -> None:
    """What came before it is there; it and what follows is not; the other partitions go on."""
    partition, other, topic = table.partition, bank.partition(), bank.names.events("bank.jars")
    table.own(partition, other)
    bank.send(coins(1), partition)
    bank.send(coins(2, jar="k"), partition)
    offset = bank.send(coins(4, how), partition)
    bank.send(coins(8), partition)
    bank.send(coins(16), other)
    table.run_through()
    bank.send(coins(32), other)
    bank.send(coins(64), partition)
    table.run_through()
    why = table.core.stopped()[partition]
    assert list(table.core.stopped()) == [partition]
    assert f"stopped at {topic}/{partition}/{offset}: " in why
    assert SAYS[how] in why
    assert f"`verbwire parked skip {table.reader.name} --at {topic}/{partition}/{offset}`" in why
    assert bank.dead_letters(partition, TABLE) == []
    assert table.inputs(partition) == {topic: offset}
    held = {p: table.held(p) for p in (partition, other)}
    assert held == {
        partition: {b"j": JarRow(jar_id="j", pence=1), b"k": JarRow(jar_id="k", pence=2)},
        other: {b"j": JarRow(jar_id="j", pence=48)},
    }
    _answers_503(table, partition, why)


def _answers_503(table: Engine, partition: int, why: str) -> None:
    with pytest.raises(UnavailableError, match="stopped at"):
        table.reader.page(partition, None, 10)
    summary = table.table.summary()
    assert summary["stopped"] == {str(partition): why}
    assert partition in summary["missing_partitions"]
    assert table.counted("partitions", state="running") == 1


def stop(bank: Bank, table: Engine) -> int:
    """Bring the table's partition to a stop, and return the offset at which it stands."""
    bank.send(coins(1), table.partition)
    offset = bank.send(coins(4, "raises"), table.partition)
    bank.send(coins(8), table.partition)
    table.run_through()
    assert table.core.stopped()
    return offset


def test_a_failure_elsewhere_does_not_let_a_stopped_partition_skip(bank: Bank, table: Engine) -> None:
    offset = stop(bank, table)
    table.prepare()  # as after a lost transaction of another partition
    table.run_through()
    assert f"/{offset}: " in table.core.stopped()[table.partition]
    assert table.inputs(table.partition) == {bank.names.events("bank.jars"): offset}


def test_a_stopped_partition_goes_on_with_a_mended_handler(bank: Bank, table: Engine, tmp_path: Path) -> None:
    stop(bank, table)
    with Engine(bank, bank_jars.table(mended=True), [table.partition], tmp_path) as mended:
        mended.run()
        assert mended.rows() == {b"j": JarRow(jar_id="j", pence=13)}
        assert mended.core.stopped() == {}
    assert bank.dead_letters(table.partition, TABLE) == []


def test_a_skipped_record_goes_into_the_dead_letters(
    bank: Bank, table: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    partition, topic = table.partition, bank.names.events("bank.jars")
    offset = stop(bank, table)
    with Engine(bank, bank_jars.table(), [partition], tmp_path, skips=[(topic, partition, offset)]) as skipping:
        skipping.run()
        assert f"{topic}/{partition}/{offset} is skipped, it goes to the dead letters: the settings say" in caplog.text
        assert skipping.rows() == {b"j": JarRow(jar_id="j", pence=9)}
    (letter,) = bank.dead_letters(partition, TABLE)
    assert (letter.header("vw_reason"), letter.header("vw_offset")) == ("skipped", str(offset))
    assert letter.value == next(each.value for each in table.fetch_all() if each.offset == offset)


def close_book(bank: Bank, jar: str, partition: int) -> int:
    value = bank.codec.encoder(CATALOG.find("bank.books.BookClosed"))(BookClosed(jar_id=jar))
    return bank.put(bank.names.events("bank.books"), partition, jar.encode(), value)


def test_a_table_of_two_contexts_is_the_fold_of_both(bank: Bank, partition: int, tmp_path: Path) -> None:
    books, jars = bank.names.events("bank.books"), bank.names.events("bank.jars")
    with Engine(bank, of_both(), [partition], tmp_path) as engine:
        for jar in ("a", "b", "c"):
            bank.send(coins(1, jar=jar), partition)
        engine.run()
        close_book(bank, "b", partition)
        engine.run()
        bank.send(coins(2, jar="b"), partition)
        close_book(bank, "c", partition)
        engine.run()
        assert engine.rows() == {b"a": JarRow(jar_id="a", pence=1), b"b": JarRow(jar_id="b", pence=2)}
        assert engine.inputs(partition) == {books: 2, jars: 4}
        last = bank.read(engine.topology.changelog, partition)[-1].header("vw_inputs")
        assert last == f"{books}:2,{jars}:4"
    engine.store(partition).unlink()
    with Engine(bank, of_both(), [partition], tmp_path) as again:
        assert again.starts == {(books, partition): 2, (jars, partition): 4}
        assert again.rows() == {b"a": JarRow(jar_id="a", pence=1), b"b": JarRow(jar_id="b", pence=2)}


def test_a_stop_in_one_context_stops_the_partition_in_both(bank: Bank, partition: int, tmp_path: Path) -> None:
    """Were the other read on, the row would not be the fold in any order."""
    books, jars = bank.names.events("bank.books"), bank.names.events("bank.jars")
    with Engine(bank, of_both(), [partition], tmp_path) as engine:
        bank.send(coins(1), partition)
        engine.run()
        close_book(bank, "bad", partition)
        engine.run()
        bank.send(coins(2), partition)
        engine.run()
        assert f"stopped at {books}/{partition}/0: " in engine.core.stopped()[partition]
        assert engine.held(partition) == {b"j": JarRow(jar_id="j", pence=1)}
        assert engine.inputs(partition) == {jars: 1, books: 0}
