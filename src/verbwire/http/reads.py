"""Reading the tables off HTTP's loop, so that a slow read delays nobody but its asker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from verbwire.http import limits
from verbwire.http.problem import unavailable

T = TypeVar("T")


class Readers:
    """A few threads that read; beyond a bounded number of waiting requests the answer is 503, not a longer queue."""

    def __init__(self, threads: int = limits.READERS, waiting: int = limits.WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verbwire-read")
        self._limit = threads + waiting
        self._busy = 0

    async def run(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, or raise what it raises."""
        if self._busy >= self._limit:
            raise unavailable("busy", "too many requests are waiting: ask again")
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, read)
        finally:
            self._busy -= 1

    def close(self) -> None:
        """Let go of the threads; reads under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
