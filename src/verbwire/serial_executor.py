"""Runs calls one after another on a thread of its own, which ends while there are none: most groups idle mostly."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from verbwire.idle import IDLE_SECONDS

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Calls in the order of their submission, never two at once. May be used by several threads.

    The thread is a daemon: what is to be finished before the process ends is waited for by :meth:`shutdown`. It calls
    `resting`, which must not raise, once no call has come for `rest_seconds`.
    """

    def __init__(
        self,
        name: str,
        idle_seconds: float = IDLE_SECONDS,
        resting: Callable[[], None] | None = None,
        rest_seconds: float = 0.0,
    ) -> None:
        self._name = name
        self._idle_seconds = idle_seconds
        self._resting = resting
        self._rest_seconds = rest_seconds
        self._wanted = threading.Condition()
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it once all that was submitted before is done; RuntimeError after `shutdown`."""
        future: Future[T] = Future()
        with self._wanted:
            if self._closed:
                raise RuntimeError(f"{self._name}: cannot schedule new futures after shutdown")
            self._calls.append((future, lambda: fn(*args, **kwargs)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wanted.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and wait for those that were taken; `cancel_futures` cancels what has not begun."""
        with self._wanted:
            self._closed = True
            thread = self._thread
            while cancel_futures and self._calls:
                self._calls.popleft()[0].cancel()
            self._wanted.notify()
        if wait and thread is not None:
            thread.join()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            future, function = call
            if future.set_running_or_notify_cancel():
                try:
                    result = function()
                except BaseException as error:  # noqa: BLE001 (raised where the result is asked for)
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del call, future, function

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """Return the next call, None where there has been none for too long: the next one finds a new thread."""
        if self._resting is not None and not self._is_wanted(self._rest_seconds):
            self._resting()
        with self._wanted:
            self._is_wanted(self._idle_seconds)
            if self._calls:
                return self._calls.popleft()
            self._thread = None
            return None

    def _is_wanted(self, seconds: float) -> bool:
        """Wait for a call, or the end, for so long at most; return whether there is one."""
        with self._wanted:
            return self._wanted.wait_for(lambda: bool(self._calls) or self._closed, seconds)
