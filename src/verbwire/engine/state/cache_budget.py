"""What is kept in memory of rows and ids: one budget in bytes for a process, shared by all partitions in it.

A cache has two generations, and they turn in all caches at once: when the younger ones have come to half of the budget
they become the elder ones, and what has not been touched since the turn before is evicted, from any cache. So what is
in use has the memory, and a partition at rest has none in the end. Nothing depends on what is kept: what is not here is
read from the local copy again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

ENTRY = 200  # bytes: a place in two dicts, a number, and the head of a key
DEFAULT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """How much of a budget is in use, and what it was good for since the process began."""

    used: int  # bytes, estimated
    budget: int
    hits: int  # entries that were looked for and found
    misses: int
    evictions: int  # entries that were let go


class Budget:
    """Bytes for the caches of a process. From any thread."""

    def __init__(self, size: int = DEFAULT_BYTES) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._caches: set[Cache[object, object]] = set()
        self._young = 0  # bytes, of all younger generations
        self._gone = CacheUsage(0, 0, 0, 0, 0)  # what was counted by caches that are closed

    def usage(self) -> CacheUsage:
        """Return what is counted now."""
        with self._lock:
            every = [each.usage() for each in self._caches]
            return _sum([self._gone, *every], self.size)

    def opened(self, cache: Cache[object, object]) -> None:
        """Take a cache in."""
        with self._lock:
            self._caches.add(cache)

    def closed(self, cache: Cache[object, object]) -> None:
        """Give its bytes to the others."""
        with self._lock:
            if cache in self._caches:
                self._caches.remove(cache)
                self._young -= cache.young
                self._gone = _sum([self._gone, cache.usage()], 0, kept=False)

    def grew(self, size: int) -> None:
        """Count bytes that have come to a younger generation; let go of the elder ones where that is due."""
        let_go: list[object] = []
        with self._lock:
            self._young += size
            if self._young > self.size // 2:
                let_go = [each.slot() for each in self._caches]
                self._young = 0
        del let_go  # outside of the lock: it is many objects


class Cache(Generic[K, V]):
    """Values that cost something to read again, with what they take of the budget.

    Looked into by one thread; any other may let go of what it keeps, at any time.
    """

    def __init__(self, budget: Budget) -> None:
        self.young = 0  # bytes
        self._elder = 0
        self._budget = budget
        self._lock = threading.Lock()
        self._values: tuple[dict[K, V], dict[K, V]] = ({}, {})  # younger and elder
        self._sizes: tuple[dict[K, int], dict[K, int]] = ({}, {})
        self._hits = self._misses = self._evictions = 0
        budget.opened(self)  # type: ignore[arg-type] # whatever it holds

    def find(self, keys: Iterable[K], found: dict[K, V]) -> list[K]:
        """Add what is known to `found`, and return the keys of which nothing is known."""
        missing: list[K] = []
        touched = hits = 0
        with self._lock:
            (young, elder), (sizes, elder_sizes) = self._values, self._sizes
            for key in keys:
                if key in young:
                    found[key] = young[key]
                elif key in elder:
                    found[key] = young[key] = elder.pop(key)
                    size = sizes[key] = elder_sizes.pop(key)
                    touched += size
                else:
                    missing.append(key)
                    continue
                hits += 1
            self._hits += hits
            self._misses += len(missing)
            self.young += touched
            self._elder -= touched
        if touched:
            self._budget.grew(touched)
        return missing

    def keep(self, values: Mapping[K, V], sizes: Mapping[K, int]) -> None:
        """Keep the values of those keys that have a size in bytes, in the place of what was kept of them before."""
        with self._lock:
            young, known = self._values[0], self._sizes[0]
            grown = 0
            for key, size in sizes.items():
                size += ENTRY
                grown += size - known.get(key, 0)
                young[key] = values[key]
                known[key] = size
            self.young += grown
        if grown:
            self._budget.grew(grown)

    def slot(self) -> object:
        """Let go of the elder generation, and return it."""
        with self._lock:
            gone = self._values[1], self._sizes[1]
            self._values, self._sizes = ({}, self._values[0]), ({}, self._sizes[0])
            self.young, self._elder = 0, self.young
            self._evictions += len(gone[0])
        return gone

    def close(self) -> None:
        """Let go of everything; its bytes are the others'."""
        self._budget.closed(self)  # type: ignore[arg-type] # whatever it holds

    def usage(self) -> CacheUsage:
        """Return what is counted of it."""
        return CacheUsage(self.young + self._elder, 0, self._hits, self._misses, self._evictions)


BUDGET = Budget()
"""That of this process: memory is the process's, whatever is hosted in it."""


def _sum(every: list[CacheUsage], budget: int, kept: bool = True) -> CacheUsage:
    return CacheUsage(
        sum(each.used for each in every) if kept else 0,
        budget,
        sum(each.hits for each in every),
        sum(each.misses for each in every),
        sum(each.evictions for each in every),
    )
