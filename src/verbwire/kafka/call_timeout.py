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

_Call: TypeAlias = tuple[Callable[[], object], "Future[None]"]


class TimeoutCaller:
    """Makes calls on a thread of its own, one at a time. A call that does not return is left behind with its thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[_Call | None] | None = None

    def call(self, function: Callable[[], object], seconds: float, what: str) -> None:
        """Call it and raise what it raises; UnavailableError when it has not returned after `seconds`.

        What the call works on must not be used again then: it may return at any time.
        """
        if self._calls is None:
            self._calls = queue.SimpleQueue()
            # A daemon: the process must be able to end while a call hangs.
            threading.Thread(target=_serve, args=(self._calls,), name=self._name, daemon=True).start()
        result: Future[None] = Future()
        self._calls.put((function, result))
        try:
            error = result.exception(seconds)
        except TimeoutError:
            self.close()
            raise UnavailableError(f"{what} has not returned after {seconds:.0f} s") from None
        if error is not None:
            raise error

    def close(self) -> None:
        """Let the thread end, now or when its call returns."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None


def _serve(calls: queue.SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        function, result = call
        try:
            function()
        except BaseException as error:  # noqa: BLE001 (raised again where the call was made)
            result.set_exception(error)
        else:
            result.set_result(None)
        del call, function, result
