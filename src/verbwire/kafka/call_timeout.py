"""A deadline for calls of librdkafka that do not keep their own.

`send_offsets_to_transaction` waits without end for a group coordinator whose broker is gone, whatever timeout it was
given, and may go on waiting when the broker is back (librdkafka#5456 and #5511, open in 2.16).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeAlias

from verbwire.errors import UnavailableError

IDLE_SECONDS = 10.0  # a thread that is not called for so long ends

_Call: TypeAlias = tuple[Callable[[], object], "Future[None]"]
_Calls: TypeAlias = "queue.SimpleQueue[_Call | None]"


class TimeoutCaller:
    """Makes calls on threads of its own, as many as there are at once. May be used by several threads.

    A call that does not return is left behind with its thread.
    """

    def __init__(self, name: str, idle_seconds: float = IDLE_SECONDS) -> None:
        self._name = name
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._spare: list[_Calls] = []  # of threads that wait for a call

    def call(self, function: Callable[[], object], seconds: float, what: str) -> None:
        """Call it and raise what it raises; UnavailableError when it has not returned after `seconds`.

        What the call works on must not be used again then: it may return at any time.
        """
        self.wait(self.begin(function), seconds, what)

    def begin(self, function: Callable[[], object]) -> Future[None]:
        """Call it, and return at once; `wait` waits for the result."""
        result: Future[None] = Future()
        with self._lock:
            calls = self._spare.pop() if self._spare else None
        if calls is None:
            calls = queue.SimpleQueue()
            # A daemon: the process must be able to end while a call hangs.
            threading.Thread(target=self._serve, args=(calls,), name=self._name, daemon=True).start()
        calls.put((function, result))
        return result

    def wait(self, result: Future[None], seconds: float, what: str) -> None:
        """Wait for a call that was begun; raises like `call`."""
        try:
            error = result.exception(seconds)
        except TimeoutError:
            raise UnavailableError(f"{what} has not returned after {seconds:.0f} s") from None
        if error is not None:
            raise error

    def close(self) -> None:
        """Let the threads end, now or when their calls have returned."""
        with self._lock:
            spare, self._spare = self._spare, []
        for calls in spare:
            calls.put(None)

    def _serve(self, calls: _Calls) -> None:
        while (call := self._next(calls)) is not None:
            function, result = call
            failure: BaseException | None = None
            try:
                function()
            except BaseException as error:  # noqa: BLE001 (raised again where the call was made)
                failure = error
            with self._lock:  # before the caller knows: its next call finds this thread
                self._spare.append(calls)
            if failure is None:
                result.set_result(None)
            else:
                result.set_exception(failure)
            del call, function, result, failure

    def _next(self, calls: _Calls) -> _Call | None:
        try:
            return calls.get(timeout=self._idle_seconds)
        except queue.Empty:
            with self._lock:
                if calls in self._spare:
                    self._spare.remove(calls)
                    return None
        return calls.get()  # one is on its way
