"""A completion that another thread settles once: waited for in any thread, awaited in any loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

Wake = Callable[[], None]


class WouldWaitError(Exception):
    """What was to be done at once would have to wait: for the broker, the registry, or room."""


class Completion:
    """A future. A lock guards it, which may be shared among many; each class says where the two parts of it are."""

    if not TYPE_CHECKING:  # whoever inherits brings the room for both
        __slots__ = ()
    _lock: threading.Lock
    _wakes: list[Wake] | None

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
        arrived, wakes = loop.create_future(), _wakes_of(loop)

        def wake() -> None:
            wakes.add(loop, arrived)

        self.when_done(wake)
        try:
            yield from arrived
        finally:
            self._no_more(wake)

    def when_done(self, wake: Wake) -> None:
        """Call `wake` once it is settled: at once, if it is; else in the thread that settles it."""
        wakes = [wake]
        with self._lock:
            if not self.done():
                self._wakes = [*(self._wakes or ()), wake]
                if not self.done():
                    return
                # Settled without the lock meanwhile, by somebody who may have looked for wakes too early.
                wakes = self._settled()
        for each in wakes:
            each()

    def _settled(self) -> list[Wake]:
        """Return whom to wake, outside the lock; called with the lock held, by who settles."""
        wakes, self._wakes = self._wakes, None
        return wakes or []

    def _no_more(self, wake: Wake) -> None:
        if self._wakes is None:  # as a rule: whoever settled it has taken them
            return
        with self._lock:
            self._wakes = [each for each in self._wakes or () if each != wake] or None


class _LoopWakes:
    """The futures of one loop that are to be completed: as many as come before its turn for one system call.

    Each `call_soon_threadsafe` writes to a socket, and has the loop's thread fight for the interpreter with the one
    that brings the next.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._called = False

    def add(self, loop: asyncio.AbstractEventLoop, arrived: asyncio.Future[None]) -> None:
        self._waiting.append(arrived)
        if self._called:  # then what was appended before this look is completed as well
            return
        self._called = True
        try:
            loop.call_soon_threadsafe(self._complete)
        except RuntimeError:  # the loop was closed meanwhile, with its waiters
            self._called = False
            self._waiting.clear()

    def _complete(self) -> None:
        self._called = False
        while self._waiting:
            arrived = self._waiting.popleft()
            if not arrived.done():
                arrived.set_result(None)


_WAKES: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopWakes] = WeakKeyDictionary()


def _wakes_of(loop: asyncio.AbstractEventLoop) -> _LoopWakes:
    """Called in the loop's own thread."""
    wakes = _WAKES.get(loop)
    if wakes is None:
        wakes = _WAKES[loop] = _LoopWakes()
    return wakes
