"""What other threads see of a table: whole states, of the file that is the copy now, or that it is not here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from verbwire.contracts.schema.load import load_catalog
from verbwire.engine.state import row_query
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.connections import READERS, NotAtOnceError
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UnavailableError
from verbwire.wire.partitioner import partition_of

PARTITIONS = 3
ROW = load_catalog(Path(__file__).parents[2] / "kit/samples/bank").find("bank.jars.JarRow")
KEYS = [b"jar-%d" % number for number in range(30)]


class Owned:
    """A table's view over stores that are all here."""

    def __init__(self, folder: Path) -> None:
        self.reader = StoreReader("bank.jars", ROW, PARTITIONS)
        self.stores = {p: PartitionStore(folder / f"jars-{p}.db") for p in range(PARTITIONS)}
        for partition in self.stores:
            self.show(partition)

    def show(self, partition: int) -> None:
        state = self.reader.states[partition]
        state.path = self.stores[partition].path
        state.epoch += 1
        state.state = PartitionState.RUNNING

    def put(self, *keys: bytes, value: bytes = b"value") -> None:
        for key in keys:
            self.stores[partition_of(key, PARTITIONS)].apply(StoreChanges(rows={key: (value,)}))


@pytest.fixture(params=["plain", "a b", "50%20#1?mode=rw&x"], ids=["plain", "space", "signs"])
def owned(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Owned]:
    table = Owned(tmp_path / request.param)
    yield table
    for store in table.stores.values():
        store.close()


def in_thread(call: Callable[[], object]) -> object:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def test_rows_are_found_in_the_partition_of_their_key(owned: Owned) -> None:
    owned.put(*KEYS)
    assert all(owned.reader.get(key) == b"value" for key in KEYS)
    assert owned.reader.get(b"never") is None
    assert (owned.reader.count(), sorted(dict(owned.reader.items()))) == (30, sorted(KEYS))
    assert owned.reader.missing() == []


def test_a_row_written_is_seen_at_once_by_every_thread(owned: Owned) -> None:
    for number in range(5):
        owned.put(KEYS[0], value=b"%d" % number)
        assert owned.reader.get(KEYS[0]) == in_thread(lambda: owned.reader.get(KEYS[0])) == b"%d" % number


def test_pages_go_through_a_partition_in_the_order_of_the_keys(owned: Owned) -> None:
    owned.put(*KEYS)
    mine = sorted(key for key in KEYS if partition_of(key, PARTITIONS) == 1)
    first = owned.reader.page(1, None, 4)
    assert [key for key, _ in first] == mine[:4]
    assert [key for key, _ in owned.reader.page(1, first[-1][0], 100)] == mine[4:]
    assert owned.reader.page(1, mine[-1], 100) == []


def test_a_partition_that_is_not_ready_answers_nobody(owned: Owned) -> None:
    owned.put(*KEYS)
    owned.reader.states[1].state = PartitionState.RESTORING
    lost = next(key for key in KEYS if partition_of(key, PARTITIONS) == 1)
    with pytest.raises(UnavailableError, match=r"partition 1 of table bank\.jars is not ready here: it is being rest"):
        owned.reader.get(lost)
    assert owned.reader.missing() == [1]
    assert owned.reader.count() == sum(partition_of(key, PARTITIONS) != 1 for key in KEYS)
    assert {partition_of(key, PARTITIONS) for key, _ in owned.reader.items()} == {0, 2}


def test_a_stopped_partition_says_why(owned: Owned) -> None:
    state = owned.reader.states[0]
    state.state, state.reason = PartitionState.STOPPED, "stopped at topic/0/7: the handler raised"
    with pytest.raises(UnavailableError, match="topic/0/7: the handler raised; ask again"):
        owned.reader.page(0, None, 10)


def test_after_a_rebuild_nobody_reads_the_old_file(owned: Owned) -> None:
    key = next(key for key in KEYS if partition_of(key, PARTITIONS) == 2)
    owned.put(key, value=b"old")
    assert owned.reader.get(key) == b"old"
    owned.reader.states[2].state = PartitionState.RESTORING
    owned.stores[2].rebuild("damaged")
    owned.put(key, value=b"new")
    owned.show(2)
    assert owned.reader.get(key) == b"new"


def test_a_file_that_cannot_be_read_is_unavailable_not_a_crash(owned: Owned) -> None:
    owned.put(*KEYS)
    for store in owned.stores.values():
        store.close()
        store.path.write_bytes(b"not a database " * 500)
    with pytest.raises(UnavailableError, match="cannot be read"):
        owned.reader.get(KEYS[0])


def test_a_lease_that_is_lost_lets_a_table_answer_nothing(owned: Owned) -> None:
    owned.put(*KEYS)
    owned.reader.lease = lambda: False
    assert (owned.reader.ready(), owned.reader.missing()) == ([], [0, 1, 2])
    for read in (lambda: owned.reader.get(KEYS[0]), lambda: owned.reader.page(0, None, 10)):
        with pytest.raises(UnavailableError, match="not ready here"):
            read()
    assert (owned.reader.count(), list(owned.reader.items())) == (0, [])


@pytest.mark.parametrize("happens", ["lease", "ready", "epoch"])
def test_a_lease_lost_while_reading_discards_the_answer(
    owned: Owned, happens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped between looking and reading, and goes on when another has the partition."""
    owned.put(*KEYS)
    partition = partition_of(KEYS[0], PARTITIONS)
    state, borrow = owned.reader.states[partition], READERS.borrow

    def stopped_before_reading(name: str, path: Path, patient: bool) -> object:
        if happens == "lease":
            owned.reader.lease = lambda: False
        elif happens == "ready":
            state.state = PartitionState.RESTORING
        else:  # it went and came back
            state.epoch += 1
        return borrow(name, path, patient)

    assert owned.reader.get(KEYS[0]) == b"value"
    monkeypatch.setattr(READERS, "borrow", stopped_before_reading)
    with pytest.raises(UnavailableError, match="not ready here"):
        owned.reader.get(KEYS[0])


def test_a_read_at_once_is_quick_however_often_its_statement_was_used(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned.put(*KEYS)
    partition = partition_of(KEYS[0], PARTITIONS)
    rows = owned.reader.page(partition, None, 10)
    monkeypatch.setattr(row_query, "_STEPS", 200)  # several times as many as one of them takes
    assert all(owned.reader.page(partition, None, 10, patient=False) == rows for _ in range(200))


def test_a_read_at_once_waits_for_no_connection_and_for_no_long_search(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned.put(*KEYS)
    partition = partition_of(KEYS[0], PARTITIONS)
    assert owned.reader.get_from(partition, KEYS[0], patient=False) == b"value"
    rows = owned.reader.page(partition, None, 10, patient=False)
    assert rows == owned.reader.page(partition, None, 10)
    monkeypatch.setattr(row_query, "_STEPS", 1)
    with pytest.raises(NotAtOnceError):
        owned.reader.page(partition, None, 10, patient=False)
    assert owned.reader.page(partition, None, 10) == rows, "whoever is patient has all the time"
    path = owned.reader.states[partition].path
    assert path is not None
    monkeypatch.setattr(READERS, "limit", 0)  # whatever others of this process have idle
    with READERS.reading(path), pytest.raises(NotAtOnceError):
        owned.reader.get_from(partition, KEYS[0], patient=False)
