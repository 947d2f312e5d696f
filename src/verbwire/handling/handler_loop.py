"""The event loop of asynchronous handlers: one for all of a process, on a thread of its own.

Not HTTP's loop: a handler that blocks delays no other request, and no health check. One for all of them, because pools
and connections belong to the loop that they were opened in.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Sequence
from concurrent.futures import CancelledError, Future, wait
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable
from typing import Any

from verbwire.declarations.resource import Resource
from verbwire.errors import ClosedError, ConfigurationError, Requeue

log = logging.getLogger(__name__)

_END_SECONDS = 2.0  # for what is cancelled
_CLOSE_SECONDS = 3.0  # for resources
_TOLD_SECONDS = 10.0  # between two lines about one that takes long to open


class HandlerLoop:
    """Runs what is asynchronous of users. Its thread starts at the first use; safe to call from any other thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[Any]] = set()  # of handlers
        self._resources: _OpenResources | None = None
        self._closed = False

    def begin(self, awaitable: Awaitable[Any]) -> Future[Any]:
        """Begin to run it, in the caller's context, and return its result-to-be; cancelling that cancels it.

        :class:`ClosedError` once the loop is closed.
        """
        loop = self._running()
        return asyncio.run_coroutine_threadsafe(self._handler(awaitable), loop)

    def settled(self, returned: Any) -> Any:
        """Return what a handler has returned, or what that leads to where it has to be awaited; blocks.

        What a coroutine raises comes through. :class:`Requeue` where the worker ended before it did.
        """
        if not isawaitable(returned):
            return returned
        try:
            return self.begin(returned).result()
        except (CancelledError, ClosedError):  # nobody else cancels what is waited for here
            raise Requeue("the worker ended before its handler did") from None

    def open(self, resources: Sequence[Resource[Any]]) -> None:
        """Open these, one after another; blocks. :class:`ConfigurationError` where one raises.

        Those that hold a value already are left alone.
        """
        wanted = [each for each in resources if not each.is_open]
        if wanted:
            self._resources = _OpenResources(wanted, self._running())
            self._resources.wait()

    def close(self) -> None:
        """Cancel what still runs, then close the resources; within seconds, whatever they do."""
        with self._lock:
            self._closed, loop, thread = True, self._loop, self._thread
        if loop is None or thread is None or loop.is_closed():
            return
        wait([asyncio.run_coroutine_threadsafe(self._end_tasks(), loop)], _END_SECONDS)
        if self._resources is not None:
            self._resources.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_SECONDS)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise ClosedError("the worker ends: nothing asynchronous begins any more")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, args=(self._loop,), name="handlers", daemon=True)
                self._thread.start()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    async def _handler(self, awaitable: Awaitable[Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (it runs as one)
        self._tasks.add(task)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if task.cancelling():
                raise
            raise RuntimeError("a handler was cancelled by what it waited for") from None
        except SystemExit as error:  # it would end the loop
            raise RuntimeError("a handler wanted to end the program") from error
        finally:
            self._tasks.discard(task)

    async def _end_tasks(self) -> None:
        tasks = [*self._tasks]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _OpenResources:
    """Opened and closed by one task, as cancel scopes want it, which sleeps meanwhile."""

    def __init__(self, resources: Sequence[Resource[Any]], loop: asyncio.AbstractEventLoop) -> None:
        self._resources = resources
        self._opened: Future[None] = Future()
        self._end = asyncio.Event()
        self._at = ""
        self._loop = loop
        self._task = asyncio.run_coroutine_threadsafe(self._hold(), loop)

    def wait(self) -> None:
        """Wait until all are open; raises what came of the one that did not open."""
        while not wait([self._opened], _TOLD_SECONDS).done:
            log.warning("still waiting for %s to open", self._at)
        self._opened.result()

    def close(self) -> None:
        """Close them, or those that are open so far."""
        self._loop.call_soon_threadsafe(self._end.set)
        if not self._opened.done():
            self._task.cancel()
        if not wait([self._task], _CLOSE_SECONDS).done:
            log.warning("resources did not close within %.0f s: they are left as they are", _CLOSE_SECONDS)

    async def _hold(self) -> None:
        opened: list[tuple[str, AbstractAsyncContextManager[Any]]] = []
        try:
            for each in self._resources:
                self._at, manager = each.where, each.opened()
                await manager.__aenter__()
                opened.append((each.where, manager))
            self._opened.set_result(None)
            await self._end.wait()
        except (Exception, SystemExit) as error:  # noqa: BLE001 (it is raised where they are waited for)
            self._opened.set_exception(ConfigurationError(f"{self._at} did not open: {type(error).__name__}: {error}"))
        finally:
            for where, manager in reversed(opened):
                await _closed(where, manager)


async def _closed(where: str, manager: AbstractAsyncContextManager[Any]) -> None:
    """Close one by itself: what another has raised is none of its business."""
    try:
        await manager.__aexit__(None, None, None)
    except Exception:  # whatever it is, those before it are closed, too
        log.exception("%s raised while it was closed", where)
