"""Coalesces calls: those that come while one is in flight share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from verbwire.http.base.thread_pool import BoundedThreadPool

Q = TypeVar("Q")
A = TypeVar("A")


class CoalescedCalls(Generic[Q, A]):
    """Gathers calls for `seconds`, then makes them all by one call of `ask`, off the loop, and again for the next.

    So an answer is never older than its call. `ask` returns the answers in the order of the calls; what it
    raises, all of them are told. Used on HTTP's loop only.
    """

    def __init__(self, ask: Callable[[Sequence[Q]], Sequence[A]], readers: BoundedThreadPool, seconds: float) -> None:
        self._ask = ask
        self._readers = readers
        self._seconds = seconds
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, call: Q) -> A:
        """Return the answer to one call."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._seconds)
                asked, self._waiting = [each for each in self._waiting if not each[1].done()], []
                if asked:
                    await self._answer(asked)
        finally:
            self._asking = None

    async def _answer(self, asked: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._readers.run(lambda: self._ask([call for call, _ in asked]))
        except Exception as error:  # noqa: BLE001 (it belongs to those who asked)
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(asked, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
