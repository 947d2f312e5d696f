"""Rows in memory: what no transaction has committed yet is never forgotten, whatever the caches let go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.platform.engine_samples.jars import JarRow
from verbwire.engine import shard as shard_module
from verbwire.engine.core import MAX_BATCH
from verbwire.engine.shard import GENERATION, Generations, Shard
from verbwire.engine.store import Answer, Changes, Store

BATCH = 4  # keys of one batch of the model; a generation is as small as may be, so that much is let go
SIZE = BATCH
KEYS = [b"%d" % number for number in range(8)]


def test_a_generation_outlasts_the_transactions_under_way() -> None:
    assert GENERATION >= 2 * MAX_BATCH


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "jars-0.db")
    yield opened
    opened.close()


def decode(value: bytes) -> JarRow:
    return JarRow(jar_id="a", pence=int(value))


class Model:
    """A shard as the engine drives it, beside a plain dict that forgets nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.truth: dict[bytes, int | None] = {}
        self.known: dict[str, bytes] = {}
        self.start_over()

    def start_over(self) -> None:
        """After a failure: only what was committed counts, and the shard is a new one."""
        self.shard = Shard(0, self.store, decode, {})
        self.under_way: list[Changes] = []
        self.truth = {key: int(value) for key, value in self.store.items()}
        self.known = {name: answer.fingerprint for name, answer in self.store.answers(map(str, range(100))).items()}

    def batch(self, writes: list[tuple[bytes, int | None]]) -> None:
        """One transaction; the one before it may still be under way, the one before that is not."""
        while len(self.under_way) > 1:
            self.store.apply(self.under_way.pop(0))
        ids = [str(number) for _, number in writes if number is not None]
        self.shard.begin([key for key, _ in writes], ids)
        for name in ids:
            assert self.shard.answered(name) == self.known.get(name)
        changes = Changes()
        for key, number in writes:
            row = self.shard.get(key)
            assert (row.pence if isinstance(row, JarRow) else None) == self.truth.get(key)
            self.shard.put(key, None if number is None else JarRow(jar_id="a", pence=number))
            self.truth[key] = number
            changes.rows[key] = None if number is None else (b"%d" % number,)
            if number is not None:
                self._remember(str(number), key, changes)
        assert set(self.shard.dirty) == set(changes.rows)
        self.under_way.append(changes)

    def _remember(self, name: str, fingerprint: bytes, changes: Changes) -> None:
        if self.shard.answered(name) is None:
            self.shard.remember(name, fingerprint)
            self.known[name] = fingerprint
            changes.answers[name] = Answer(fingerprint, b"", 0)


WRITE = st.tuples(st.sampled_from(KEYS), st.none() | st.integers(0, 99))
BATCHES = st.lists(st.none() | st.lists(WRITE, min_size=1, max_size=BATCH), min_size=5, max_size=30)


@given(BATCHES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_uncommitted_is_lost(tmp_path: Path, batches: list[list[tuple[bytes, int | None]] | None]) -> None:
    """Each batch finds every row and id as the batches before it left them; None: a failure, everything starts over."""
    turned = Generations.turn
    store = Store(tmp_path / "model-0.db")
    store.rebuild("a new example")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_module.Generations, "turn", lambda self: turned(self, SIZE))
        model = Model(store)
        for batch in batches:
            if batch is None:
                model.start_over()
            else:
                model.batch(batch)
    store.close()


def test_what_is_touched_again_stays_what_is_not_goes() -> None:
    cache: Generations[int, str] = Generations()
    cache[1], cache[2] = "touched", "left alone"
    cache.turn(2)
    assert cache.unknown([1]) == []
    cache[3] = "fills the generation"
    cache.turn(2)
    assert cache.unknown([1, 2]) == [2]
    assert cache[1] == "touched"


def test_a_batch_asks_the_store_once_for_what_it_does_not_know(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.apply(Changes(rows={b"a": (b"1",), b"b": (b"2",)}))
    asked: list[list[bytes]] = []
    get = store.get

    def noted(keys: list[bytes]) -> dict[bytes, bytes]:
        asked.append(sorted(keys))
        return get(keys)

    monkeypatch.setattr(store, "get", noted)
    shard = Shard(0, store, decode, {})
    shard.begin([b"a", b"b", b"never", b"a"])
    shard.begin([b"b", b"never"])
    shard.begin([b"a", b"new"])
    assert asked == [[b"a", b"b", b"never"], [b"new"]]


def test_a_deleted_row_is_gone_for_the_next_batch_too(store: Store) -> None:
    store.apply(Changes(rows={b"a": (b"1",)}))
    shard = Shard(0, store, decode, {})
    shard.begin([b"a"])
    assert shard.get(b"a") == JarRow(jar_id="a", pence=1)
    shard.put(b"a", None)
    assert shard.dirty == {b"a": None}
    shard.begin([b"a"])  # not committed, the store still has it
    assert shard.get(b"a") is None
    assert shard.dirty == {}


def test_an_id_is_known_as_soon_as_it_is_answered(store: Store) -> None:
    store.apply(Changes(answers={"old": Answer(b"fingerprint", b"outcome", 1)}))
    shard = Shard(0, store, decode, {})
    shard.begin([], ["old", "new"])
    known: list[Any] = [shard.answered("old"), shard.answered("new")]
    shard.remember("new", b"another")
    shard.begin([], ["new"])
    assert [*known, shard.answered("new")] == [b"fingerprint", None, b"another"]
