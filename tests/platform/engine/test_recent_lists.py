"""Lists that are asked for again: from memory while nothing is written, and never older than what is told of them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from verbwire.contracts.schema.load import load_catalog
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.connections import VFS
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.state.recent_lists import LISTS, STAMPS, RecentLists
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UnavailableError
from verbwire.http.tables.wanted_rows import WantedRows
from verbwire.queries.selection import EVERYTHING, Selection

PARTITIONS = 2
ROW = load_catalog(Path(__file__).parents[2] / "kit/samples/bank").find("bank.jars.JarRow")
WRITES = 300


class Shelf:
    """A table of two partitions, both here, with a full text."""

    def __init__(self, folder: Path) -> None:
        self.reader = StoreReader("bank.jars", ROW, PARTITIONS)
        self.stores = [PartitionStore(folder / f"{number}.db", search=["note"]) for number in range(PARTITIONS)]
        for number, store in enumerate(self.stores):
            state = self.reader.states[number]
            state.path, state.state = store.path, PartitionState.RUNNING

    def put(self, partition: int, key: bytes, value: bytes | None) -> None:
        row = None if value is None else (value, value.decode())
        self.stores[partition].apply(StoreChanges(rows={key: row}))

    def list(self, selection: Selection = EVERYTHING, most: int = 50, after: bytes = b"") -> list[tuple[bytes, bytes]]:
        wanted = WantedRows(selection, after, most, 100_000)
        return [*wanted.of(self.reader, range(PARTITIONS), patient=True)]

    def change_unnoticed(self, partition: int, value: bytes) -> None:
        """Change all rows as nothing but the engine may, so that what is read from the copy is told from the rest."""
        address = f"file:{self.stores[partition].path}?vfs={VFS}"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as behind:
            behind.execute("update rows set value = ?", (value,))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    table = Shelf(tmp_path)
    table.put(0, b"a", b"red")
    table.put(1, b"b", b"red")
    yield table
    for store in table.stores:
        store.close()


def test_a_recent_list_is_read_again_in_the_partitions_alone_that_were_written(shelf: Shelf) -> None:
    assert shelf.list() == [(b"a", b"red"), (b"b", b"red")]
    for partition in range(PARTITIONS):
        shelf.change_unnoticed(partition, b"changed")
    assert shelf.list() == [(b"a", b"red"), (b"b", b"red")], "it is in memory"
    shelf.put(1, b"c", b"blue")
    assert shelf.list() == [(b"a", b"red"), (b"b", b"changed"), (b"c", b"blue")]


def test_a_recent_list_is_told_from_all_others(shelf: Shelf) -> None:
    every = shelf.list()
    assert shelf.list(Selection(search='"red"')) == every
    assert shelf.list(Selection(search='"blue"')) == []
    assert shelf.list(most=1)[:1] == every[:1]
    assert shelf.list(after=b"a") == every[1:]


@pytest.mark.parametrize("selection", [EVERYTHING, Selection(search='"red"')], ids=["all", "search"])
def test_recent_lists_follow_every_write(shelf: Shelf, selection: Selection) -> None:
    for number in range(20):
        key = b"k%d" % (number % 7)
        shelf.put(number % 2, key, None if number % 5 == 4 else b"red %d" % number)
        shown = shelf.list(selection)
        assert shown == sorted(row for store in shelf.stores for row in store.items())


def test_a_recent_list_is_never_older_than_what_was_written_before_it_was_asked_for(shelf: Shelf) -> None:
    told, wrong = [0], list[tuple[int, int]]()

    def ask() -> None:
        while told[0] < WRITES:
            least = told[0]
            if (found := int(dict(shelf.list())[b"n"])) < least:
                wrong.append((least, found))

    shelf.put(0, b"n", b"0")
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, WRITES + 1):
        shelf.put(0, b"n", b"%d" % number)
        told[0] = number
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_recent_list_that_is_read_while_its_copy_is_written_is_read_again(shelf: Shelf) -> None:
    class Facts(dict[str, bytes]):
        """Has the list read in the midst of a write."""

        def items(self) -> Any:
            seen.append(dict(shelf.list())[b"a"])
            return super().items()

    seen: list[bytes] = []
    shelf.stores[0].apply(StoreChanges(rows={b"a": (b"blue", "blue")}, facts=Facts()))
    assert seen == [b"red"]
    assert dict(shelf.list())[b"a"] == b"blue"


def test_a_recent_list_goes_with_its_copy(shelf: Shelf) -> None:
    assert len(shelf.list()) == 2
    shelf.stores[0].rebuild("a test")
    assert shelf.list() == [(b"b", b"red")]
    shelf.stores[1].close()
    assert STAMPS.of(shelf.stores[1].path) is None


def test_a_recent_list_is_not_shown_by_a_worker_that_may_have_lost_the_table(shelf: Shelf) -> None:
    shelf.list()
    shelf.reader.lease = lambda: False
    with pytest.raises(UnavailableError):
        shelf.list()


def test_recent_lists_take_no_more_memory_than_they_may() -> None:
    lists = RecentLists(100_000)
    for number in range(1000):
        one = lists.of(number)
        for partition in range(12):
            lists.keep(one, partition, number + 1, [(b"place", b"x" * 100)] * 5)
        assert one.rows(0, number + 1)
        assert lists.used() <= 100_000
    assert lists.of(0).rows(0, 1) is None, "it had not been asked for longest"
    lists.keep(lists.of(999), 0, 2000, [(b"place", b"x" * 50_000)])
    assert lists.of(999).rows(0, 2000) is None, "one that is large would drive out all others"


def test_long_lists_are_not_kept(shelf: Shelf) -> None:
    before = LISTS.used()
    assert len(shelf.list(most=500)) == 2
    assert LISTS.used() == before
