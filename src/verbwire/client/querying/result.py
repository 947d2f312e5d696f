"""What `query` returns: the answer-to-be of one query."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any, Generic

from verbwire.client.base.completion import Completion
from verbwire.errors import UnavailableError
from verbwire.messages import R_co


class QueryResult(Completion, Generic[R_co]):
    """The answer-to-be of one query; may be waited for by several threads.

    ``answer.result(timeout)`` waits in any thread, ``await answer`` in any running loop; both give the reply, a
    :class:`~verbwire.Page` of replies for a query that many rows answer, or raise what went wrong (see `Client.query`).

    Once it is there, `complete` says whether the table it is of has caught up since it was started; None where that is
    not said, as by responders.
    """

    __slots__ = ("_error", "_lock", "_name", "_reply", "_settled_", "_wakes", "complete")

    def __init__(self, name: str) -> None:
        self._lock = threading.Lock()
        self._wakes = None
        self._name = name
        self._settled_ = False
        self._reply: Any = None
        self._error: Exception | None = None
        self.complete: bool | None = None

    def done(self) -> bool:
        """Whether there is an answer, or will be none."""
        return self._settled_

    def result(self, timeout: float | None = None) -> R_co:
        """Wait for the answer, at most `timeout` seconds (None: as long as the query may take)."""
        if not self.wait(timeout):
            raise UnavailableError(f"{self._name} is not answered within {timeout} s; it is still asked")
        return self._take()

    def __await__(self) -> Generator[Any, None, R_co]:
        yield from self.arrival()
        return self._take()

    def settle(self, reply: Any, error: Exception | None = None, complete: bool | None = None) -> None:
        """Take down what came of it; whatever comes later is none of it."""
        with self._lock:
            if self._settled_:
                return
            self._reply, self._error, self.complete, self._settled_ = reply, error, complete, True
            wakes = self._settled()
        for wake in wakes:
            wake()

    def _take(self) -> R_co:
        if self._error is not None:
            raise self._error
        reply: R_co = self._reply
        return reply
