"""Copies at rest have nothing open; they are read and written again as if they had, or said to have been changed."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.descriptors import open_below
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.connections import READERS
from verbwire.engine.state.scans import ScanResults
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UnavailableError
from verbwire.idle import let_go_of_what_idles

SECONDS = 1.0  # of reading and writing, while what idles is let go of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PartitionStore]:
    opened = PartitionStore(tmp_path / "rows-0.db", ("total",))
    opened.apply(StoreChanges(rows={b"k": (b"0", 0)}, positions={"rows": 1}))
    yield opened
    opened.close()


def write(store: PartitionStore, number: int) -> None:
    store.apply(StoreChanges(rows={b"k": (b"%d" % number, number)}, positions={"rows": number + 1}))


def rest(store: PartitionStore) -> None:
    let_go_of_what_idles(-1.0)
    assert open_below(store.path.parent) == []


def test_an_idle_copy_has_nothing_open_and_is_read_and_written_again(store: PartitionStore) -> None:
    rest(store)  # with what tests before this one have left
    used = READERS.used()
    for number in range(1, 4):
        assert store.get([b"k"]) == {b"k": b"%d" % (number - 1)}
        rest(store)
        assert READERS.used() == used
        assert store.get([b"k"]) == {b"k": b"%d" % (number - 1)}, "read before it is written"
        write(store, number)
        assert store.get([b"k"]) == {b"k": b"%d" % number}
        rest(store)
        write(store, number)
        assert store.position("rows") == number + 1


def test_a_copy_is_let_go_of_at_any_moment_and_its_readers_see_every_write(store: PartitionStore) -> None:
    ended, written, seen = threading.Event(), [0], set[int]()

    def read() -> None:
        while not ended.is_set():
            least = written[0]
            found = int(store.get([b"k"])[b"k"])
            assert found >= least
            seen.add(found)

    def let_go() -> None:
        while not ended.is_set():
            let_go_of_what_idles(-1.0)

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(each) for each in (read, read, let_go)]
        until, number = time.monotonic() + SECONDS, 0
        while time.monotonic() < until and not any(each.done() for each in others):
            number += 1
            write(store, number)
            written[0] = number
        ended.set()
        for each in others:
            each.result()
    assert store.get([b"k"]) == {b"k": b"%d" % number}
    assert len(seen) > 1


def test_a_copy_that_was_closed_is_not_opened_by_a_late_write(store: PartitionStore) -> None:
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        write(store, 1)
    assert open_below(store.path.parent) == []


@pytest.mark.parametrize("what", ["removed", "put back as it was before", "another file"])
def test_an_idle_copy_that_others_have_changed_is_not_written_on(store: PartitionStore, what: str) -> None:
    """A new file in its place would be an empty table, an old one would lack rows: both in silence."""
    rest(store)
    shutil.copyfile(store.path, store.path.with_name("before"))
    write(store, 1)
    rest(store)
    store.path.unlink()
    if what != "removed":
        store.path.with_name("before").rename(store.path)
    if what == "another file":
        store.path.write_bytes(b"x" * 9000)
    with pytest.raises(UnavailableError, match="as this worker has left it"):
        write(store, 2)
    with pytest.raises(UnavailableError):
        store.position("rows")


def test_a_scan_is_made_again_once_the_copy_was_written(store: PartitionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    scans, made, now = ScanResults(), [], time.time

    def count() -> int:
        made.append(1)
        return store.count()

    def look() -> object:
        return scans.get(store.path, "count", count)

    assert (look(), look(), len(made)) == (1, 1, 2), "so soon after a write the clock of the files tells nothing"
    monkeypatch.setattr("verbwire.engine.state.scans.time.time", lambda: now() + 5)
    assert (look(), look(), len(made)) == (1, 1, 3)
    store.apply(StoreChanges(rows={b"more": (b"1", 1)}))
    assert (look(), len(made)) == (2, 4)
