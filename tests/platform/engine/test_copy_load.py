"""A copy that is loaded from nothing: the same as one that was written row by row, and whole or not there at all."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kit import killed_loads
from tests.kit.descriptors import open_below
from tests.kit.killed_loads import IDENTITY, ROWS, RUNS, load, run_of
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.copy_load import LOADING, PAUSED, CopyLoad
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UnavailableError

PAGES = 1024 * 1024
ENDS = {"rows": ROWS}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tables" / "a.group" / "state-0.db"


@pytest.fixture
def store(path: Path) -> Iterator[PartitionStore]:
    with closing(PartitionStore(path, ("status", "total"), IDENTITY, search=("note",))) as opened:
        yield opened


def beside(store: PartitionStore) -> set[str]:
    return {each.name.removeprefix(store.path.name) for each in store.path.parent.iterdir()} - {"", "-wal"}


def with_words(changes: StoreChanges) -> StoreChanges:
    for key, row in changes.rows.items():
        if row is not None:
            changes.rows[key] = (*row, f"note {row[1]!s} {key.decode()}")
    return changes


def everything(path: Path) -> dict[str, Any]:
    """What stands in a copy, and what its queries walk through."""
    with closing(sqlite3.connect(path)) as connection:
        found = {
            name: connection.execute(query).fetchall()
            for name, query in {
                "rows": "select key, value, f_status, f_total, words from rows order by key",
                "status": "select key from rows indexed by by_f_status order by f_status, key",
                "total": "select key from rows indexed by by_f_total order by f_total, key",
                "words": "select rowid from search where words match 'note s3' order by rowid",
                "answers": "select * from answers order by id",
                "meta": "select * from meta where name <> 'touched' order by name",
                "schema": "select name, sql from sqlite_master order by name",
                "checked": "pragma integrity_check",
            }.items()
        }
        connection.execute("insert into search (search, rank) values ('integrity-check', 1)")
        found["words"] = [("found", len(found["words"]))]  # rows have other numbers
        return found


def test_a_loaded_copy_is_the_same_as_one_that_was_written(store: PartitionStore, tmp_path: Path) -> None:
    written = PartitionStore(tmp_path / "written.db", ("status", "total"), IDENTITY, search=("note",))
    loading = CopyLoad(store, ENDS, PAGES)
    for number in range(RUNS):
        written.apply(with_words(run_of(number)))
        loading.apply(with_words(run_of(number)))
    loading.finish()
    assert store.rebuilt is None
    assert store.facts() == written.facts()
    assert dict(store.items()) == dict(written.items())
    changed = StoreChanges(rows={b"000001": (b"new", "s9", 1, "another note"), b"000002": None})
    for each in (store, written):  # triggers and all
        each.apply(changed)
        each.close()
    assert everything(store.path) == everything(written.path)
    assert beside(store) == set()


def test_a_load_is_seen_by_nobody_until_it_is_whole(store: PartitionStore) -> None:
    loading = CopyLoad(store, ENDS, PAGES)
    loading.apply(with_words(run_of(0)))
    assert loading.position("rows") == ROWS // RUNS
    assert (store.position("rows"), store.count(), store.inputs()) == (0, 0, {})
    loading.finish()
    assert store.position("rows") == ROWS // RUNS
    assert store.inputs() == {"topic": 0}


def test_a_load_that_is_killed_at_any_step_leaves_a_copy_that_is_empty_or_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", killed_loads.__name__, tmp_path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30, "steps"
    with closing(killed_loads.opened(tmp_path)) as store:
        assert (store.position("rows"), store.count()) == (ROWS, killed_loads.rows_of_all())


def test_a_load_that_is_stopped_goes_on_where_it_was(store: PartitionStore) -> None:
    with closing(CopyLoad(store, ENDS, PAGES)) as loading:
        loading.apply(with_words(run_of(0)))
    assert beside(store) == {PAUSED}
    with closing(CopyLoad(store, ENDS, PAGES)) as loading:
        assert loading.position("rows") == ROWS // RUNS
        assert loading.facts() == {"a": b"b"}
        assert beside(store) == {LOADING}
        loading.finish()
    assert store.position("rows") == ROWS // RUNS
    assert beside(store) == set()


@pytest.mark.parametrize("why", ["killed", "another topic", "too old", "longer than the log", "the log was cut off"])
def test_a_load_begins_anew_where_the_one_before_is_of_no_use(
    path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PartitionStore(path, ("status", "total"), IDENTITY, 100.0)) as store:
        loading = CopyLoad(store, ENDS, PAGES)
        loading.apply(run_of(0))
        if why != "killed":
            loading.close()
    changed = {"rows": "another"} if why == "another topic" else IDENTITY
    ends = {"longer than the log": {"rows": 1}, "the log was cut off": None}.get(why, ENDS)
    if why == "too old":
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 101)
    with closing(PartitionStore(path, ("status", "total"), changed, 100.0)) as store:
        with closing(CopyLoad(store, ends, PAGES)) as loading:
            assert loading.position("rows") == 0
            assert loading.facts() == {}
            loading.finish()
        assert store.count() == 0


@pytest.mark.parametrize("step", ["apply", "finish"])
def test_a_load_that_fails_damages_nothing_and_begins_anew(store: PartitionStore, step: str) -> None:
    loading = CopyLoad(store, ENDS, PAGES)
    if step == "finish":
        loading.apply(with_words(run_of(0)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
    try:
        with pytest.raises(UnavailableError, match="it is kept as it is"):
            loading.apply(with_words(run_of(0))) if step == "apply" else loading.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    loading.close()
    assert (store.position("rows"), store.count()) == (0, 0)
    with closing(CopyLoad(store, ENDS, PAGES)) as again:
        assert again.position("rows") == 0
        load_of_all(again)
    assert store.count() == killed_loads.rows_of_all()


def load_of_all(loading: CopyLoad) -> None:
    for number in range(RUNS):
        loading.apply(with_words(run_of(number)))
    loading.finish()


def test_a_load_that_is_over_has_nothing_open(tmp_path: Path) -> None:
    load(tmp_path)
    assert open_below(tmp_path) == []
