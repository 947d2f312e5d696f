"""A completion that another thread settles once: waited for in any thread, awaited in any loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

Wake = Callable[[], None]


class Completion:
    """A future. `lock` guards it, and may be shared among many."""

    __slots__ = ("_lock", "_wakes")

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._wakes: list[Wake] | None = None

    def done(self) -> bool:
        """Whether it is settled."""
        raise NotImplementedError

    def wait(self, timeout: float | None) -> bool:
        """Wait at most `timeout` seconds (None: for ever) and return whether it is settled."""
        if self.done():
            return True
        arrived = threading.Event()
        self.when_done(arrived.set)
        if not arrived.wait(timeout):
            self._no_more(arrived.set)
        return self.done()

    def arrival(self) -> Generator[Any, None, None]:
        """Wait in the running loop: ``yield from`` it in ``__await__``."""
        if self.done():
            return
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()

        def wake() -> None:
            _wake(loop, arrived)

        self.when_done(wake)
        try:
            yield from arrived
        finally:
            self._no_more(wake)

    def when_done(self, wake: Wake) -> None:
        """Call `wake` once it is settled: at once, if it is; else in the thread that settles it."""
        with self._lock:
            if not self.done():
                self._wakes = [*(self._wakes or ()), wake]
                return
        wake()

    def _settled(self) -> list[Wake]:
        """Return whom to wake, outside the lock; called with the lock held, by who settles."""
        wakes, self._wakes = self._wakes, None
        return wakes or []

    def _no_more(self, wake: Wake) -> None:
        with self._lock:
            self._wakes = [each for each in self._wakes or () if each != wake] or None


def _wake(loop: asyncio.AbstractEventLoop, arrived: asyncio.Future[None]) -> None:
    def finish() -> None:
        if not arrived.done():
            arrived.set_result(None)

    with suppress(RuntimeError):  # the loop was closed meanwhile, with its waiters
        loop.call_soon_threadsafe(finish)
