"""Requests that wait for a table to get further: the engine's progress wakes them, so that waiting costs no thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from verbwire.engine.state.reader import StoreReader


class PositionWaiters:
    """The waits for one table's partitions. Used on HTTP's loop; what wakes it comes from the engine's threads."""

    def __init__(self, store_reader: StoreReader) -> None:
        self._waiting: dict[int, dict[asyncio.Future[None], Callable[[], bool]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        store_reader.moved = self._moved

    async def until(self, partition: int, reached: Callable[[], bool]) -> None:
        """Return once `reached` says so, which is asked again whenever the partition has moved."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = self._loop.create_future()
        waiting = self._waiting.setdefault(partition, {})
        waiting[future] = reached
        try:
            if not reached():  # looked at behind the registration: what moves from here on wakes us
                await future
        finally:
            del waiting[future]
            if not waiting:
                self._waiting.pop(partition, None)

    def _moved(self, partition: int) -> None:
        """Called by the engine, for every transaction: next to free while no request waits."""
        if self._loop is not None and partition in self._waiting:
            with suppress(RuntimeError):  # HTTP has just stopped: no request waits any more
                self._loop.call_soon_threadsafe(self._wake, partition)

    def _wake(self, partition: int) -> None:
        for future, reached in self._waiting.get(partition, {}).items():
            if not future.done() and reached():
                future.set_result(None)
