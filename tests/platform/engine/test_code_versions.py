"""Old code beside new: it never writes anew what newer code has written, and newer code goes on by itself."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.kit import bank_jars, bank_jars_second_version, bank_tills
from tests.kit.bank import NAMESPACE, Bank
from tests.kit.bank_jars_second_version import JarRow as Second
from tests.kit.engine_runner import Engine
from tests.kit.notes import with_field
from tests.kit.samples.bank.jars import CoinsPut
from tests.kit.samples.bank.jars import JarRow as First
from verbwire import Table
from verbwire.engine.builders.code import fingerprints_of
from verbwire.engine.code.facts import CODE_HEADER
from verbwire.engine.topology import Topology
from verbwire.wire.avro.framing import HEADER_SIZE, frame
from verbwire.wire.codec.topics import Codec

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def second(bank: Bank) -> Codec:
    return bank_jars_second_version.codec(bank)


@pytest.fixture
def new(bank: Bank, second: Codec, table: Engine) -> Iterator[Engine]:
    """A worker of the second version, which takes over what the first has left, and its copy."""
    put(bank, table.partition, 1)
    table.run()
    table.core.release()
    with Engine(bank, bank_jars_second_version.table(), [table.partition], table.folder, codec=second) as running:
        put(bank, table.partition, 2)
        running.run()
        assert running.rows() == {b"j": Second(jar_id="j", pence=3, puts=1)}
        running.core.release()
        yield running


def put(bank: Bank, partition: int, pence: int) -> None:
    bank.send(CoinsPut(jar_id="j", pence=pence), partition)


def changelog(bank: Bank, engine: Engine) -> list[bytes | None]:
    return [record.value for record in bank.read(engine.topology.changelog, engine.partition, 0)]


def forget_the_fact(path: Path) -> None:
    """As in a copy that was written before such facts were taken down."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("delete from meta where name = ?", ("fact " + CODE_HEADER,)).rowcount


@pytest.mark.parametrize("copy", ["the newer one's", "that knows no fact", "lost"])
def test_old_code_stands_still_where_newer_code_has_written(bank: Bank, table: Engine, new: Engine, copy: str) -> None:
    """A rollback under the same name and copy, and a rebalance to a worker that has to restore."""
    path, partition, written = table.store(table.partition), table.partition, changelog(bank, table)
    if copy == "lost":
        path.unlink()
    if copy == "that knows no fact":
        forget_the_fact(path)
    put(bank, partition, 4)
    table.prepare()
    assert "rows of bank.jars.JarRow here are of version 2, this code has version 1" in table.core.stopped()[partition]
    assert not table.reader.states[partition].ready
    table.run()  # reads nothing of it
    assert changelog(bank, table) == written
    table.core.release()
    new.prepare()
    new.run()
    assert new.rows() == {b"j": Second(jar_id="j", pence=7, puts=2)}


def test_old_code_that_meets_a_newer_row_at_work_leaves_it_and_serves_its_neighbours(
    bank: Bank, table: Engine, second: Codec
) -> None:
    """The second line of defence: no such row gets into a copy but by somebody's hand."""
    stained, clean = table.partition, bank.partition()
    newer = second.encoder(bank_jars_second_version.SECOND)(Second(jar_id="j", pence=1, puts=1))
    table.own(stained, clean)
    with closing(sqlite3.connect(table.store(stained), isolation_level=None)) as connection:
        connection.execute("insert into rows (key, value) values (?, ?)", (b"j", newer))
    for partition in (stained, clean):
        put(bank, partition, 2)
    table.run()
    assert {p: "of version 2" in why for p, why in table.core.stopped().items()} == {stained: True}
    assert bank.read(table.topology.changelog, stained, 0) == []
    assert table.held(clean) == {b"j": First(jar_id="j", pence=2)}


@pytest.fixture(scope="module")
def shared(branch: Bank) -> int:
    """A partition of several groups, each with a changelog of its own."""
    return branch.partition()


GROUPS: dict[str, Callable[[], Any]] = {
    "states of an aggregate": bank_jars.receiver,
    "states of a process": bank_tills.savings,
    "rows of a table of windows": bank_tills.minutes,
}


def newer(bank: Bank, name: str, **values: Any) -> bytes:
    """A record that the next version of a contract has written, with a field more."""
    contract = bank.codec.catalog.contracts[name]
    next_one = with_field(contract, name="more", type="string", default="")
    schema_id = bank.registry.register(bank.names.subject(name), next_one.text)
    out = io.BytesIO(frame(schema_id))
    out.seek(HEADER_SIZE)
    fastavro.schemaless_writer(out, fastavro.parse_schema(next_one.schema, named_schemas={}), values)
    return out.getvalue()


@pytest.mark.parametrize("what", GROUPS)
def test_old_code_of_any_group_stands_still_where_newer_code_has_written(
    branch: Bank, shared: int, tmp_path: Path, what: str
) -> None:
    declared, partition = GROUPS[what](), shared
    row = declared.row if isinstance(declared, Table) else declared.state
    moment = datetime(2010, 12, 1, tzinfo=UTC)
    value = newer(branch, row.__contract__, owner="o", jar_id="o", minute=moment, pence=1, told=[], label="", seen=[])
    with Engine(branch, declared, [], tmp_path) as engine:
        branch.put(engine.topology.changelog, partition, b"o", value)
        engine.own(partition)
        why = engine.core.stopped()[partition]
        assert f"rows of {row.__contract__} here are of version 2, this code has version 1" in why


def of_this_repository(declared: Any, bank: Bank) -> Callable[[Topology], Topology]:
    """The plan of a group whose project is this repository: its code is known."""

    def change(topology: Topology) -> Topology:
        contract = bank.codec.catalog.of(declared.row)
        return replace(topology, code=replace(topology.code, by=fingerprints_of(declared, contract, bank.names, ROOT)))

    return change


@pytest.mark.parametrize("copy", ["kept", "lost"])
def test_other_code_is_told_with_its_offsets_by_whoever_has_the_partition(
    bank: Bank, partition: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, copy: str
) -> None:
    topic, before, after = bank.names.events(NAMESPACE), bank_jars.table(), bank_jars.table(mended=True)
    with Engine(bank, before, [partition], tmp_path, change=of_this_repository(before, bank)) as first:
        for _ in range(3):
            put(bank, partition, 1)
        first.run()
        assert first.table.summary()["other_code"] == {}
    told = {str(partition): f"changed: on bank.jars.CoinsPut (since {topic}@3)"}
    for worker in range(2):  # the second meets what the first has said
        if copy == "lost":
            first.store(partition).unlink()
        caplog.clear()
        with Engine(bank, after, [partition], tmp_path, change=of_this_repository(after, bank)) as second:
            assert second.table.summary()["other_code"] == told
            warned = [each.message for each in caplog.records if "rows computed by an earlier" in each.message]
            assert len(warned) == 1, worker
            assert "(changed: on bank.jars.CoinsPut): its rows hold results of both" in warned[0]
            bank.put(topic, partition, b"k", b"no event: it becomes a dead letter, and changes no row")
            second.run()
            second.prepare()
            assert second.table.summary()["other_code"] == told
