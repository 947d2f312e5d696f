"""Rows in memory: what no transaction has committed yet is never forgotten, whatever the caches let go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.samples.bank.jars import JarRow
from verbwire.engine.state.cache_budget import Budget, Cache
from verbwire.engine.state.changes import DedupEntry, StoreChanges
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.store import PartitionStore

BATCH = 4  # keys of one batch of the model
KEYS = [b"%d" % number for number in range(8)]
NOTHING = 0  # bytes: a budget that lets go of everything at once
TWO_ROWS = 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PartitionStore]:
    opened = PartitionStore(tmp_path / "jars-0.db")
    yield opened
    opened.close()


def end(cache: PartitionCache) -> None:
    """Of a batch that is not in the store yet."""
    cache.end({key: None if row is None else (b"record",) for key, row in cache.dirty.items()}, threading.Event())


def decode(value: bytes) -> JarRow:
    return JarRow(jar_id="a", pence=int(value))


class Model:
    """A cache as the engine drives it, beside a plain dict that forgets nothing."""

    def __init__(self, store: PartitionStore, budget: Budget) -> None:
        self.store = store
        self.budget = budget
        self.truth: dict[bytes, int | None] = {}
        self.known: dict[str, bytes] = {}
        self.start_over()

    def start_over(self) -> None:
        """After a failure: only what was committed counts, and the cache is a new one."""
        self.cache = PartitionCache(0, self.store, decode, {}, budget=self.budget)
        self.under_way: list[tuple[StoreChanges, threading.Event]] = []
        self.truth = {key: int(value) for key, value in self.store.items()}
        self.known = {name: answer.fingerprint for name, answer in self.store.answers(map(str, range(100))).items()}

    def batch(self, writes: list[tuple[bytes, int | None]]) -> None:
        """One transaction; the one before it may still be under way, the one before that is not."""
        while len(self.under_way) > 1:
            changes, written = self.under_way.pop(0)
            self.store.apply(changes)
            written.set()
        ids = [str(number) for _, number in writes if number is not None]
        self.cache.begin([key for key, _ in writes], ids)
        for name in ids:
            assert self.cache.decided_fingerprint(name) == self.known.get(name)
        changes, written = StoreChanges(), threading.Event()
        for key, number in writes:
            row = self.cache.get(key)
            assert (row.pence if isinstance(row, JarRow) else None) == self.truth.get(key)
            self.cache.put(key, None if number is None else JarRow(jar_id="a", pence=number))
            self.truth[key] = number
            changes.rows[key] = None if number is None else (b"%d" % number,)
            if number is not None:
                self._remember(str(number), key, changes)
        assert set(self.cache.dirty) == set(changes.rows)
        self.under_way.append((changes, written))
        self.cache.end(changes.rows, written)
        if not self.budget.size:
            for _ in range(2):  # other partitions take all of it
                self.budget.grew(1)

    def _remember(self, name: str, fingerprint: bytes, changes: StoreChanges) -> None:
        if self.cache.decided_fingerprint(name) is None:
            self.cache.mark_decided(name, fingerprint)
            self.known[name] = fingerprint
            changes.answers[name] = DedupEntry(fingerprint, b"", 0)


WRITE = st.tuples(st.sampled_from(KEYS), st.none() | st.integers(0, 9))  # the numbers are ids, too
BATCHES = st.lists(st.none() | st.lists(WRITE, min_size=1, max_size=BATCH), min_size=5, max_size=30)


@pytest.mark.parametrize("size", [NOTHING, TWO_ROWS])
@given(batches=BATCHES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cache_eviction_loses_nothing_uncommitted(
    tmp_path: Path, size: int, batches: list[list[tuple[bytes, int | None]] | None]
) -> None:
    """Each batch finds every row and id as the batches before it left them; None: a failure, everything starts over."""
    store = PartitionStore(tmp_path / "model-0.db")
    store.rebuild("a new example")
    model = Model(store, Budget(size))
    for batch in batches:
        if batch is None:
            model.start_over()
        else:
            model.batch(batch)
    store.close()


def test_cache_eviction_keeps_what_was_touched_again() -> None:
    cache: Cache[int, str] = Cache(Budget(TWO_ROWS))
    cache.keep({1: "touched", 2: "left alone"}, {1: 100, 2: 100})  # and so they are the elder ones
    found: dict[int, str] = {}
    assert cache.find([1], found) == []
    cache.keep({3: "fills the generation"}, {3: 100})
    assert cache.find([1, 2], found) == [2]
    assert found == {1: "touched"}


def test_cache_eviction_begins_with_a_partition_at_rest() -> None:
    budget = Budget(100_000)
    idle, busy = Cache[int, str](budget), Cache[int, str](budget)
    idle.keep(dict.fromkeys(range(50), "row"), dict.fromkeys(range(50), 500))
    for slot in range(20):
        some = range(slot * 10, slot * 10 + 10)
        busy.keep(dict.fromkeys(some, "row"), dict.fromkeys(some, 500))
        assert budget.usage().used <= budget.size + 10 * 700, "it is a budget, but for one batch"
    assert idle.usage().used == 0
    assert busy.usage().used > budget.size // 2 - 10 * 700, "what the one does not need is the other's"
    assert budget.usage().evictions == 50 + 200 - busy.usage().used // 700


def test_a_closed_cache_takes_nothing_of_the_budget() -> None:
    budget = Budget(100_000)
    for _ in range(50):
        cache: Cache[int, str] = Cache(budget)
        cache.keep({1: "row"}, {1: 500})
        assert cache.find([1, 2], {}) == [2]
        cache.close()
    usage = budget.usage()
    assert (usage.used, usage.hits, usage.misses, usage.evictions) == (0, 50, 50, 0)


def test_a_batch_asks_the_store_once_for_what_it_does_not_know(
    store: PartitionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.apply(StoreChanges(rows={b"a": (b"1",), b"b": (b"2",)}))
    asked: list[list[bytes]] = []
    get = store.get

    def noted(keys: list[bytes]) -> dict[bytes, bytes]:
        asked.append(sorted(keys))
        return get(keys)

    monkeypatch.setattr(store, "get", noted)
    cache = PartitionCache(0, store, decode, {})
    cache.begin([b"a", b"b", b"never", b"a"])
    end(cache)
    cache.begin([b"b", b"never"])
    end(cache)
    cache.begin([b"a", b"new"])
    assert asked == [[b"a", b"b", b"never"], [b"new"]]


def test_a_deleted_row_is_gone_for_the_next_batch_too(store: PartitionStore) -> None:
    store.apply(StoreChanges(rows={b"a": (b"1",)}))
    cache = PartitionCache(0, store, decode, {})
    cache.begin([b"a"])
    assert cache.get(b"a") == JarRow(jar_id="a", pence=1)
    cache.put(b"a", None)
    assert cache.dirty == {b"a": None}
    end(cache)
    cache.begin([b"a"])  # not committed, the store still has it
    assert cache.get(b"a") is None
    assert cache.dirty == {}


def test_an_id_is_known_as_soon_as_it_is_answered(store: PartitionStore) -> None:
    store.apply(StoreChanges(answers={"old": DedupEntry(b"fingerprint", b"outcome", 1)}))
    cache = PartitionCache(0, store, decode, {})
    cache.begin([], ["old", "new"])
    known: list[Any] = [cache.decided_fingerprint("old"), cache.decided_fingerprint("new")]
    cache.mark_decided("new", b"another")
    end(cache)
    cache.begin([], ["new"])
    assert [*known, cache.decided_fingerprint("new")] == [b"fingerprint", None, b"another"]
