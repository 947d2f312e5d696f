"""Waits within a budget, which ends at once when the worker stops."""

from __future__ import annotations

import asyncio
from types import TracebackType


class InterruptibleWaits:
    """The waits of one worker's HTTP. Whoever waits here has an answer for the case that the time is over."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Timeout] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False

    def within(self, seconds: float) -> _Within:
        """Like ``asyncio.timeout``: TimeoutError when the block takes longer, or when the worker stops meanwhile."""
        self._loop = asyncio.get_running_loop()
        return _Within(self._waiting, asyncio.timeout(0 if self._over else seconds))

    def end(self) -> None:
        """End every wait now, and those to come before they begin. From any thread."""
        self._over = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for waiting in self._waiting:
            waiting.reschedule(0)


class _Within:
    """One wait; no generator, which would take as long again."""

    __slots__ = ("_timeout", "_waiting")

    def __init__(self, waiting: set[asyncio.Timeout], timeout: asyncio.Timeout) -> None:
        self._waiting = waiting
        self._timeout = timeout

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._waiting.add(self._timeout)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.discard(self._timeout)
        await self._timeout.__aexit__(kind, error, trace)
