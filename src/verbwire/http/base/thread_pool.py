"""Bounded thread pools, for reads and sends off HTTP's loop: a slow one delays no other request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

from verbwire.http.base import problem_types
from verbwire.http.base.problem import unavailable

T = TypeVar("T")
_Job: TypeAlias = tuple[Callable[[], Any], asyncio.Future[Any]]
_Done: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]


class BoundedThreadPool:
    """A few threads that read; beyond a bounded number of waiting requests the answer is 503, not a longer queue.

    Reading one row takes 10 microseconds, handing it to another thread and back ten times that. So short reads that
    arrive in the same turn of the loop travel together.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verbwire-read")
        self._limit = threads + waiting
        self._busy = 0
        self._short: list[_Job] = []

    async def run(self, read: Callable[[], T]) -> T:
        """Return what a read that may take long returns, or raise what it raises."""
        self._admit()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._submit([(read, future)])
        return await self._counted(future)

    async def run_short(self, read: Callable[[], T]) -> T:
        """Do the same for a read of a few microseconds; those of one turn wait for each other."""
        self._admit()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._short:
            loop.call_soon(self._flush)
        self._short.append((read, future))
        return await self._counted(future)

    def close(self) -> None:
        """Let go of the threads; reads under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _admit(self) -> None:
        if self._busy >= self._limit:
            raise unavailable(problem_types.BUSY, "too many requests are waiting: ask again")

    async def _counted(self, future: asyncio.Future[T]) -> T:
        self._busy += 1
        try:
            return await future
        finally:
            self._busy -= 1

    def _flush(self) -> None:
        jobs, self._short = self._short, []
        self._submit(jobs)

    def _submit(self, jobs: list[_Job]) -> None:
        self._pool.submit(_work, asyncio.get_running_loop(), jobs)


def _work(loop: asyncio.AbstractEventLoop, jobs: list[_Job]) -> None:
    done = [_attempt(read, future) for read, future in jobs if not future.cancelled()]
    loop.call_soon_threadsafe(_deliver, done)


def _attempt(read: Callable[[], Any], future: asyncio.Future[Any]) -> _Done:
    try:
        return future, read(), None
    except Exception as error:  # noqa: BLE001 (it belongs to the caller)
        return future, None, error


def _deliver(done: list[_Done]) -> None:
    for future, result, error in done:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
