"""Waits within a budget, which ends at once when the worker stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class InterruptibleWaits:
    """The waits of one worker's HTTP. Whoever waits here has an answer for the case that the time is over."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Timeout] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Like ``asyncio.timeout``: TimeoutError when the block takes longer, or when the worker stops meanwhile."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.timeout(0 if self._over else seconds) as waiting:
            self._waiting.add(waiting)
            try:
                yield
            finally:
                self._waiting.discard(waiting)

    def end(self) -> None:
        """End every wait now, and those to come before they begin. From any thread."""
        self._over = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for waiting in self._waiting:
            waiting.reschedule(0)
