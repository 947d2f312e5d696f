"""The local copy of a partition: what was applied is read back whole, what is damaged starts anew."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.descriptors import open_below
from verbwire.engine.restore.kept_copy import read_kept_copy
from verbwire.engine.state.changes import DedupEntry, StoreChanges
from verbwire.engine.state.connections import READERS
from verbwire.engine.state.memory import KIB, MEMORY
from verbwire.engine.state.row_writer import RowWriter
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UnavailableError

IDENTITY = {"rows": "topic-a", "answers": "topic-b"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tables" / "a.group" / "state-0.db"


@pytest.fixture
def store(path: Path) -> Iterator[PartitionStore]:
    opened = PartitionStore(path, ("status", "total"), IDENTITY)
    yield opened
    opened.close()


def key(number: int) -> bytes:
    return b"key-%05d" % number


def rows(numbers: range, version: int = 0) -> dict[bytes, tuple[str | int | float | bytes | None, ...] | None]:
    return {key(n): (b"row %d %d" % (n, version), f"s{n % 3}", n) for n in numbers}


def write(path: Path, count: int = 500) -> None:
    """A file with rows in it, closed."""
    store = PartitionStore(path, ("status", "total"), IDENTITY)
    store.apply(StoreChanges(rows=rows(range(count)), positions={"rows": count}, inputs={"topic": count}))
    store.close()


def reopened(path: Path, **changed: object) -> PartitionStore:
    options = {"columns": ("status", "total"), "identity": IDENTITY, **changed}
    return PartitionStore(path, **options)  # type: ignore[arg-type]  # by name, each test another one


def apply(path: Path, changes: StoreChanges) -> None:
    with closing(reopened(path)) as store:
        store.apply(changes)


def test_a_new_store_is_empty_and_knows_no_position(store: PartitionStore) -> None:
    assert (store.count(), store.position("rows"), store.inputs(), store.rebuilt) == (0, 0, {}, None)
    assert store.get([b"a"]) == {}
    assert store.answers(["a"]) == {}
    assert list(store.items()) == []


@pytest.mark.parametrize("count", [1, 15, 16, 17, 255, 256, 257, 271, 272, 273, 512, 1001])
def test_every_row_of_a_transaction_is_written_changed_and_deleted(store: PartitionStore, count: int) -> None:
    store.apply(StoreChanges(rows=rows(range(count))))
    assert dict(store.items()) == {key(n): b"row %d 0" % n for n in range(count)}
    store.apply(StoreChanges(rows=rows(range(count), version=1)))
    assert store.get(map(key, range(count + 3))) == {key(n): b"row %d 1" % n for n in range(count)}
    store.apply(StoreChanges(rows={key(n): None for n in range(0, count, 2)}))
    assert [found for found, _ in store.items()] == [key(n) for n in range(1, count, 2)]
    assert store.count() == count // 2


@pytest.mark.parametrize("count", [16, 256, 257])
def test_every_answer_of_a_transaction_is_remembered(store: PartitionStore, count: int) -> None:
    answers = {f"id-{n}": DedupEntry(b"%016d" % n, b"outcome %d" % n, n) for n in range(count)}
    store.apply(StoreChanges(answers=answers))
    assert store.answers([*answers, "id-never"]) == answers


def test_ids_older_than_the_window_are_forgotten(store: PartitionStore) -> None:
    store.apply(StoreChanges(answers={f"id-{n}": DedupEntry(b"f", b"o", n) for n in range(10)}))
    store.forget_answers(7)
    assert sorted(store.answers(f"id-{n}" for n in range(10))) == ["id-7", "id-8", "id-9"]


def setting(store: PartitionStore, name: str) -> int:
    with store._writer() as writer:
        return int(writer.execute(f"pragma {name}").fetchone()[0])


def test_memory_for_pages_is_lent_to_the_copy_that_many_rows_are_written_into(
    store: PartitionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, write = [], RowWriter.write

    def watched(writer: RowWriter, changes: StoreChanges) -> None:
        seen.append(setting(store, "cache_size"))
        write(writer, changes)
        if len(changes.rows) == 300:
            raise UnavailableError("whatever happens meanwhile")

    monkeypatch.setattr(RowWriter, "write", watched)
    store.apply(StoreChanges(rows=rows(range(10))))
    with pytest.raises(UnavailableError):
        store.apply(StoreChanges(rows=rows(range(300))))
    lent, own = -MEMORY.pages // KIB, -READERS.cache_bytes // KIB
    assert seen == [own, lent]
    assert setting(store, "cache_size") == own != lent


def test_the_write_ahead_log_may_grow_with_the_copy(store: PartitionStore) -> None:
    small = rows(range(1000))
    store.apply(StoreChanges(rows=small))
    assert setting(store, "wal_autocheckpoint") == 1000
    large: dict[bytes, Any] = {key(n): (b"x" * 20_000, "s", n) for n in range(1000)}
    store.apply(StoreChanges(rows=large))
    store.apply(StoreChanges(rows=small))
    assert 1000 < setting(store, "wal_autocheckpoint") <= setting(store, "page_count") // 2


def test_positions_and_inputs_stand_beside_the_rows(store: PartitionStore) -> None:
    store.apply(StoreChanges(positions={"rows": 7, "answers": 3}, inputs={"a.commands": 11}))
    store.apply(StoreChanges(positions={"rows": 9}, inputs={"b.events": 5}))
    assert (store.position("rows"), store.position("answers")) == (9, 3)
    assert store.inputs() == {"a.commands": 11, "b.events": 5}


def test_inputs_never_go_back(store: PartitionStore) -> None:
    """Two logs tell how far the inputs are; the one that knows less may be restored last."""
    store.apply(StoreChanges(inputs={"topic": 100}))
    store.apply(StoreChanges(inputs={"topic": 80}))
    assert store.inputs() == {"topic": 100}
    store.apply(StoreChanges(inputs={"topic": 1000}))
    assert store.inputs() == {"topic": 1000}


def test_columns_that_queries_filter_on_follow_the_row(store: PartitionStore) -> None:
    store.apply(StoreChanges(rows={b"a": (b"1", "open", 5), b"b": (b"2", None, None)}))
    store.apply(StoreChanges(rows={b"a": (b"3", "closed", 6)}))
    with sqlite3.connect(store.path) as other:
        found = other.execute("select key, f_status, f_total from rows order by key").fetchall()
    other.close()
    assert found == [(b"a", "closed", 6), (b"b", None, None)]


def test_a_store_transaction_is_written_whole_or_not_at_all(store: PartitionStore) -> None:
    store.apply(StoreChanges(rows={b"a": (b"old", "s", 1)}, positions={"rows": 1}))
    broken = StoreChanges(rows={b"a": (b"new", "s", 1), b"b": (b"too few columns",)}, positions={"rows": 2})
    with pytest.raises(sqlite3.Error):
        store.apply(broken)
    assert dict(store.items()) == {b"a": b"old"}
    assert store.position("rows") == 1
    store.apply(StoreChanges(rows={b"a": (b"newer", "s", 1)}))  # and the next one goes through
    assert dict(store.items()) == {b"a": b"newer"}


def test_a_store_transaction_is_seen_whole_by_others(store: PartitionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.apply(StoreChanges(rows=rows(range(600)), positions={"rows": 600}))
    reader, seen = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True), []
    whole = RowWriter._chunks

    def watched(*arguments: object) -> None:
        whole(*arguments)  # type: ignore[arg-type]  # handed on as they come
        seen.append(reader.execute("select count(*), max(value) from rows").fetchone())

    monkeypatch.setattr(RowWriter, "_chunks", watched)
    store.apply(StoreChanges(rows={**rows(range(300), version=9), **dict.fromkeys(map(key, range(300, 600)))}))
    after = reader.execute("select count(*) from rows").fetchone()
    reader.close()
    assert set(seen) == {(600, b"row 99 0")}
    assert after == (300,)


def test_a_store_keeps_what_was_applied_over_a_restart(path: Path) -> None:
    write(path)
    store = reopened(path)
    assert (store.rebuilt, store.count(), store.position("rows"), store.inputs()) == (None, 500, 500, {"topic": 500})
    store.close()


def spoil(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "garbage header":
        data[:64] = b"\xa5" * 64
    elif how == "garbage":
        data = bytearray(b"not a database " * 1000)
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["truncated", "garbage header", "garbage"])
def test_a_damaged_file_is_thrown_away_when_it_is_opened(path: Path, how: str) -> None:
    write(path)
    spoil(path, how)
    store = reopened(path)
    assert store.rebuilt is not None
    assert "damaged" in store.rebuilt
    assert (store.count(), store.position("rows"), store.inputs()) == (0, 0, {})
    store.apply(StoreChanges(rows=rows(range(3))))
    store.close()
    assert reopened_count(path) == 3


def reopened_count(path: Path) -> int:
    store = reopened(path)
    try:
        assert store.rebuilt is None
        return store.count()
    finally:
        store.close()


def flip(path: Path) -> None:
    """Turn every page behind the first four: what a bad disk does to a file that still opens."""
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    for page in range(4 * size, len(data), size):
        data[page] ^= 0x40  # the kind of the page
    path.write_bytes(data)


@pytest.mark.parametrize("act", ["get", "apply"])
def test_damage_found_later_asks_for_a_restart_and_the_next_opening_starts_anew(path: Path, act: str) -> None:
    write(path, 3000)
    flip(path)
    store = reopened(path)
    assert store.rebuilt is None
    with pytest.raises(UnavailableError, match="damaged"):
        store.get(map(key, range(3000))) if act == "get" else store.apply(StoreChanges(rows=rows(range(3000), 1)))
    store.close()
    store = reopened(path)
    assert (store.count(), store.position("rows")) == (0, 0)
    store.close()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"identity": {"rows": "created again", "answers": "topic-b"}}, "another rows"),
        ({"columns": ("status",)}, "its index has changed"),
        ({"columns": ("status", "total", "owner")}, "its index has changed"),
        ({"search": ("note",)}, "its search has changed"),
        ({"identity": {}}, None),
    ],
    ids=["topic", "column gone", "column new", "search new", "nothing asked"],
)
def test_a_copy_of_something_else_is_thrown_away(path: Path, changed: dict[str, object], why: str | None) -> None:
    write(path)
    store = reopened(path, **changed)
    assert store.rebuilt == why
    assert store.count() == (500 if why is None else 0)
    store.close()


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process have no file descriptor left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_cannot_be_opened_is_not_damaged(path: Path) -> None:
    write(path)
    with no_more_files(), pytest.raises(UnavailableError, match="it is kept as it is"):
        reopened(path)
    assert reopened_count(path) == 500


def test_a_copy_that_cannot_be_looked_at_is_not_taken_for_none(path: Path) -> None:
    """Else its partition would be made anew from a log that may hold less than the copy."""
    write(path)
    with no_more_files(), pytest.raises(UnavailableError, match="it is kept as it is"):
        read_kept_copy(path, IDENTITY)
    kept = read_kept_copy(path, IDENTITY)
    assert kept is not None
    assert kept.topics == IDENTITY


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_that_may_not_be_used_damages_nothing(path: Path, mode: int) -> None:
    write(path)
    path.parent.chmod(mode)
    try:
        with pytest.raises(UnavailableError, match="it is kept as it is"):
            apply(path, StoreChanges(rows=rows(range(3))))
    finally:
        path.parent.chmod(0o700)
    assert reopened_count(path) == 500


@pytest.mark.parametrize("seconds", [1.0, 3600.0], ids=["full for a moment", "full for an hour"])
def test_a_disk_that_is_full_loses_nothing_of_a_copy(
    path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow (EFBIG for ENOSPC): neither a write nor another opening spoils what is there."""
    write(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(UnavailableError, match="it is kept as it is"):
            apply(path, StoreChanges(rows=rows(range(500, 5000)), positions={"rows": 5000}))
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + seconds)
        with pytest.raises(UnavailableError, match="it is kept as it is"):
            apply(path, StoreChanges(rows=rows(range(500, 5000)), positions={"rows": 5000}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert reopened_count(path) == 500


def test_a_full_disk_damages_nothing(path: Path) -> None:
    write(path)
    store = reopened(path)
    with store._writer() as writer:
        writer.execute("pragma max_page_count = 1")  # what there is, and not a page more
    with pytest.raises(UnavailableError, match="is full"):
        store.apply(StoreChanges(rows=rows(range(500, 5000)), positions={"rows": 5000}))
    assert (store.count(), store.position("rows")) == (500, 500)
    store.close()
    assert reopened_count(path) == 500


def test_a_store_that_cannot_be_opened_leaves_nothing_open(path: Path) -> None:
    write(path)
    for _ in range(2):  # as another identity, then as a file without tables
        with pytest.raises(sqlite3.OperationalError, match="syntax error"):
            reopened(path, columns=("no) column",))
        assert open_below(path.parent) == []


def test_a_file_whose_making_was_cut_off_is_made_anew(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as other:
        other.execute("create table meta (name text primary key, value text)")
    other.close()
    store = reopened(path)
    store.apply(StoreChanges(rows=rows(range(3))))
    store.close()
    assert reopened_count(path) == 3


def test_a_copy_that_missed_tombstones_is_thrown_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90)
    store = reopened(path, max_age=100.0)
    assert (store.rebuilt, store.count()) == (None, 500)
    store.close()
    store = reopened(path, max_age=50.0)
    assert (store.rebuilt, store.count()) == ("not caught up for 90 s, allowed are 50", 0)
    store.close()


def test_a_rebuilt_store_forgets_everything_and_says_why(store: PartitionStore) -> None:
    store.apply(StoreChanges(rows=rows(range(3)), answers={"a": DedupEntry(b"f", b"o", 1)}, positions={"rows": 3}))
    store.rebuild("ahead of the log")
    assert store.rebuilt == "ahead of the log"
    assert (store.count(), store.answers(["a"]), store.position("rows")) == (0, {}, 0)


def test_keys_are_bytes_and_stand_in_their_order(store: PartitionStore) -> None:
    keys = [b"\x00", b"\x00\xff", b"A", b"a", b"\xff", b"\xff\x00"]
    store.apply(StoreChanges(rows={each: (each, "", 0) for each in reversed(keys)}))
    assert [found for found, _ in store.items()] == sorted(keys)
