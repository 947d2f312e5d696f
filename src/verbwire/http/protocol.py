"""uvicorn's HTTP/1.1 protocol with limits on what a client may make us hold before there is a request.

uvicorn's httptools protocol keeps a request's head whatever its size and however long it takes. What is refused here
never becomes a request, so its answer is written by hand: a problem like every other.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from verbwire.http import limits
from verbwire.http.problem import Problem, unavailable

_LINGER = 1.0  # seconds; a socket closed with bytes unread is reset, and the answer lost with it


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Refuses long targets (414), large or slow heads (431, 408), what is not HTTP (400)."""

    _refused = False
    _head_begun = False
    _head_done = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Take the connection, unless there are too many; the first head must come in time."""
        super().connection_made(transport)
        self._expect_head()
        if len(self.connections) > limits.CONNECTIONS:
            self._refuse(unavailable("busy", "too many connections: use fewer, keep them alive, ask again"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._head_in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; after a refusal it is read and dropped until the connection closes."""
        if self._refused:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        # Heads that are complete have been measured exactly: this is for one that never completes.
        if not self._head_done and self._head_bytes > limits.HEAD + limits.REQUEST_LINE:
            self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        """Start a new head; what came before it in the same read counts, which only makes the limit stricter."""
        super().on_message_begin()
        if self._head_done:
            self._expect_head()
        self._head_begun = True

    def on_headers_complete(self) -> None:
        """Measure the head before anything is made of it."""
        if self._refused:
            return
        self._head_done = True
        self._head_in_time()
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) > limits.REQUEST_LINE:
            self._refuse(Problem(414, "target_too_long", f"the path and query are longer than {limits.REQUEST_LINE}"))
        elif size > limits.HEAD or len(self.headers) > limits.HEADER_FIELDS:
            self._refuse(_head_too_large())
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a body only of a request that was taken."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request only where one was taken."""
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's text, which says no more)
        """Answer what the parser could not read."""
        self._refuse(Problem(400, "not_http", "this is not a request of HTTP/1.1"))

    def _expect_head(self) -> None:
        self._head_begun = self._head_done = False
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(limits.HEAD_SECONDS, self._head_late)

    def _head_in_time(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        if self._head_begun:
            self._refuse(Problem(408, "too_slow", f"the request's head took more than {limits.HEAD_SECONDS:.0f} s"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._head_in_time()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # an answer is under way: nothing may be mixed into it, it is the last
            return
        self.transport.write(_written(problem))
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)


def _head_too_large() -> Problem:
    detail = f"the header is larger than {limits.HEAD} bytes or {limits.HEADER_FIELDS} fields"
    return Problem(431, "head_too_large", detail)


def _written(problem: Problem) -> bytes:
    response = problem.response()
    lines = [b"HTTP/1.1 %d " % problem.status_code, b"\r\nconnection: close\r\n"]
    lines += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([*lines, b"\r\n", response.body])
