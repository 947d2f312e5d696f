"""Connections to copies: however many copies and threads there are, descriptors are bounded, and given back."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from verbwire.engine.state import connections as readers_module
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.connections import COPY_FILES, ReaderPool
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UnavailableError

COPIES = 12
LIMIT = 10
THREADS = 6


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[list[Path]]:
    with ExitStack() as stack:
        stores = []
        for number in range(COPIES):
            store = PartitionStore(tmp_path / f"copy-{number}.db")
            stack.callback(store.close)
            store.apply(StoreChanges(rows={b"key": (b"%d" % number,)}))
            stores.append(store.path)
        yield stores


@contextmanager
def lent(copies: list[Path], limit: int) -> Iterator[ReaderPool]:
    """Readers of which nothing stays open."""
    readers = ReaderPool(limit)
    yield readers
    for path in copies:
        readers.close(path)


def descriptors(folder: Path) -> int:
    """How many of this process are of files in the folder."""
    every = [Path("/proc/self/fd") / each for each in os.listdir("/proc/self/fd")]
    return sum(str(each.readlink()).startswith(str(folder)) for each in every if each.is_symlink())


def read(readers: ReaderPool, path: Path) -> bytes:
    with readers.reading(path) as connection:
        return bytes(connection.execute("select value from rows").fetchone()[0])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_descriptors_are_bounded_whoever_reads_what(copies: list[Path], tmp_path: Path) -> None:
    readers, most = ReaderPool(LIMIT), list[int]()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(20):
            found = list(pool.map(lambda path: read(readers, path), [*copies, *copies[:3]]))
            assert found == [b"%d" % number for number in [*range(COPIES), 0, 1, 2]]
            most.append(descriptors(tmp_path))
    # SQLite keeps the descriptor of a connection that is closed while others hold a lock on the same file, for the next
    # one that opens it (os_unix.c, setPendingFd): one for each thread at most.
    assert max(most) <= COPIES * COPY_FILES + LIMIT + THREADS
    assert readers.used() <= LIMIT
    for path in copies:
        readers.close(path)
    assert readers.used() == 0


def test_a_file_is_read_by_as_many_as_there_is_room_for_and_the_others_wait(copies: list[Path]) -> None:
    begun = threading.Event()

    def begin() -> bytes:
        begun.set()
        return read(readers, copies[0])

    with lent(copies, 1) as readers, ThreadPoolExecutor(1) as pool:
        with readers.reading(copies[0]):
            waiting = pool.submit(begin)
            assert begun.wait(5)
            assert read(readers, copies[1]) == b"1", "another file has a reader of its own in any case"
            assert not waiting.done()
        assert waiting.result(5) == b"0"


def test_a_reader_that_waits_for_too_long_is_told_why(copies: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers_module, "_BUSY_SECONDS", 0.05)
    with lent(copies, 1) as readers, readers.reading(copies[0]), pytest.raises(UnavailableError, match="ulimit -n"):
        read(readers, copies[0])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_a_copy_that_is_closed_has_no_descriptor_left(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path / "copy-0.db")
    store.apply(StoreChanges(rows={b"key": (b"row",)}))
    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(lambda _: len(store.get([b"key"])), range(30))) == {1}
    store.close()
    assert descriptors(tmp_path) == 0
