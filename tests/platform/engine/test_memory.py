"""One number for a process: what its parts may come to, and that it is told."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.kit.samples.bank.jars import JarRow
from verbwire.engine.state.cache_budget import BUDGET, Budget, Cache
from verbwire.engine.state.memory import DEFAULT_BYTES, MEMORY
from verbwire.engine.state.recent_lists import LISTS
from verbwire.engine.state.row_sizes import RowExpansion, size_of
from verbwire.observability.metrics.registry import Metrics


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    MEMORY.share(DEFAULT_BYTES, 1)


@pytest.mark.parametrize("size", [DEFAULT_BYTES, 2**30])
def test_memory_is_shared_out_whole(size: int) -> None:
    MEMORY.share(size, 1)
    limits = MEMORY.limits()
    assert limits["rows"] + limits["lists"] + limits["pages"] + limits["fetched"] <= size * 7 // 8
    assert limits["produced"] == max(size // 8 // 2, 16 * 2**20) * 2, "a transaction has to fit"
    assert (BUDGET.size, LISTS.size) == (size * 7 // 16, size // 16)
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute("pragma soft_heap_limit").fetchone() == (size // 8,)


def test_memory_of_more_groups_is_less_each_but_enough_for_the_largest_record() -> None:
    MEMORY.share(DEFAULT_BYTES, 2)
    few = MEMORY.fetched, MEMORY.produced, MEMORY.fetch(8)
    MEMORY.share(DEFAULT_BYTES, 100)
    many = MEMORY.fetched, MEMORY.produced, MEMORY.fetch(96)
    assert all(less <= more for less, more in zip(many, few, strict=True))
    assert many[1] > 4 * 1024 * 1024
    assert few[2] == 1024 * 1024
    assert many[2] >= 64 * 1024


def test_memory_is_told() -> None:
    metrics, budget = Metrics(), Budget(100_000)
    metrics.process.memory({"rows": 100_000, "pages": 7}, budget.usage)
    cache: Cache[int, str] = Cache(budget)
    cache.keep({1: "row"}, {1: 500})
    cache.find([1, 2, 3], {})
    lines = metrics.exposition().decode().splitlines()
    assert {
        'verbwire_memory_limit_bytes{part="rows"} 100000.0',
        'verbwire_memory_limit_bytes{part="pages"} 7.0',
        "verbwire_cache_bytes 700.0",
        "verbwire_cache_hits_total 1.0",
        "verbwire_cache_misses_total 2.0",
        "verbwire_cache_evictions_total 0.0",
    } <= set(lines)


def test_the_size_of_a_row_is_that_of_all_that_hangs_on_it() -> None:
    row = JarRow(jar_id="j" * 1000, pence=2**40)
    assert size_of(row) == sum(map(sys.getsizeof, (row, row.jar_id, row.pence, row.label)))
    assert size_of([row, row, None, True]) == size_of(row) + sys.getsizeof([row, row, None, True])
    assert size_of({"a": ("b", {"c"})}) > sum(map(sys.getsizeof, ({"a": 1}, "a", "b", ("b", 1), {"c"}, "c"))) - 1


def test_the_size_of_rows_in_memory_is_learned_from_their_records() -> None:
    """Within a tenth, whatever the rows of a table are like, and as they change."""
    expansion = RowExpansion()
    for text in ("short", "x" * 3000):
        row = JarRow(jar_id=text, pence=7)
        for _ in range(100):
            expansion.learn(row, len(text) + 7)
        assert expansion.rate() * (len(text) + 7) == pytest.approx(size_of(row), rel=0.1)
