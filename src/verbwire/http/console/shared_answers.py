"""Answers that cost a look at Kafka, found once for all who ask for the same at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from verbwire.http.base.thread_pool import BoundedThreadPool

_MOST = 64  # kept at once


class SharedAnswers:
    """Finds each answer off the loop, and gives it to all who ask for it a moment later. Used on HTTP's loop only.

    Whoever asks while it is being found waits for it. Errors are told to those who waited, and not kept.
    """

    def __init__(self, readers: BoundedThreadPool) -> None:
        self._readers = readers
        self._kept: dict[tuple[str, ...], tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, what: tuple[str, ...], find: Callable[[], bytes], seconds: float) -> bytes:
        """Return the answer to `what`, which `find` finds; one that was found up to `seconds` ago is good."""
        now = time.monotonic()
        self._kept = {each: kept for each, kept in self._kept.items() if kept[0] > now or not kept[1].done()}
        found = self._kept.get(what)
        if found is not None:
            return await asyncio.shield(found[1])
        task = asyncio.create_task(self._readers.run(find))
        if len(self._kept) < _MOST:
            self._kept[what] = (now + seconds, task)
            task.add_done_callback(lambda done: self._settle(what, done, seconds))
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Keep nothing of what was found: something was changed."""
        self._kept.clear()

    def _settle(self, what: tuple[str, ...], done: asyncio.Task[bytes], seconds: float) -> None:
        """Let its time begin when it is there, and a failure be tried again."""
        kept = self._kept.get(what)
        if kept is None or kept[1] is not done:
            return
        if done.cancelled() or done.exception() is not None:
            del self._kept[what]
        else:
            self._kept[what] = (time.monotonic() + seconds, done)
