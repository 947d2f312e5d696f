"""uvicorn's HTTP/1.1 protocol with limits on what a client may make us hold, and for how long.

uvicorn's httptools protocol keeps a request's head whatever its size and however long it takes, and forgets its only
timer at any byte. Here a connection is always in one stage (:class:`Stage`), and every stage in which its client has to
do something ends by itself. What is refused here never becomes a request, so its answer is written by hand: a problem
like every other.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from verbwire.http.base import limits, problem_types
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.serving.connections import ConnectionTable, HttpConnection, Stage

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application

HEALTH = b"/health/"
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")  # RFC 3986: a host and a port, or nothing


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Refuses long targets (414), large or slow heads (431, 408), what is not HTTP (400)."""

    stage = Stage.HEAD
    since = 0.0
    until = math.inf
    _refused = False
    _health_only = False
    _kept_alive = False
    _head_begun = False
    _head_done = False
    _head_bytes = 0

    def __init__(self, *given: Any, house: ConnectionTable, **named: Any) -> None:
        super().__init__(*given, **named)
        self._house = house
        self._limits = house.limits

    @property
    def address(self) -> str:
        """The client's host, as far as the socket knows it."""
        return self.client[0] if self.client else "unknown"

    # -- what the transport says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Take the connection; where there are too many, for health alone, or not at all."""
        super().connection_made(transport)
        self._outlet = _Outlet(self)
        self._enter(Stage.HEAD, self._limits.head_seconds)
        left = self._house.places_left(cast(set[HttpConnection], self.connections), self)
        self._health_only = left < 0
        if left < -self._limits.health_connections:
            self._refuse(_too_many())

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer nothing more."""
        self.stage = Stage.GONE
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; after a refusal, or the last answer, it is read and dropped until the connection closes."""
        if self._refused or self.stage is Stage.LINGER:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        # Heads that are complete have been measured exactly: this is for one that never completes.
        if not self._head_done and self._head_bytes > limits.HEAD + limits.REQUEST_LINE:
            self._refuse(_head_too_large())

    def pause_writing(self) -> None:
        """Wait for the client to read; for a while, whatever it reads meanwhile."""
        super().pause_writing()
        if self.stage is Stage.ANSWER and self.until == math.inf:
            self.until = self.loop.time() + self._limits.write_seconds

    # -- what the parser says

    def on_message_begin(self) -> None:
        """Start a new head; what came before it in the same read counts, which only makes the limit stricter."""
        super().on_message_begin()
        if self._head_done:
            self._head_done = False
            self._head_bytes = 0
        if self.stage is Stage.IDLE:
            self._enter(Stage.HEAD, self._limits.head_seconds)
        self._head_begun = True

    def on_headers_complete(self) -> None:
        """Measure the head before anything is made of it."""
        if self._refused:
            return
        self._head_done, self._head_begun = True, False
        if (problem := self._wrong()) is not None:
            self._refuse(problem)
        elif len(self.pipeline) >= limits.PIPELINED:
            self._refused = True  # a client that sends on is answered up to here, and may send the rest elsewhere
            self.cycle.keep_alive = False
        else:
            super().on_headers_complete()
            # An answer that comes before the end of its request is the last: what is still sent would have to be read,
            # without end, before the next request could be found in it.
            self._kept_alive = self.cycle.keep_alive and not self._health_only
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep a body only of a request that was taken."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request only where one was taken."""
        if not self._refused:
            if not self.cycle.response_started:
                self.cycle.keep_alive = self._kept_alive
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's text, which says no more)
        """Answer what the parser could not read."""
        self._refuse(HttpProblem(problem_types.NOT_HTTP, "this is not a request of HTTP/1.1"))

    # -- what the application and the server say

    def on_response_complete(self) -> None:
        """Go on to the next request, or wait for it."""
        self.server_state.total_requests += 1
        if self.stage is not Stage.ANSWER:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._head_begun:
            self._enter(Stage.HEAD, self._limits.head_seconds)
        else:
            self._enter(Stage.IDLE, self._limits.idle_seconds)

    def time_is_over(self) -> None:
        """End what takes too long: with a problem where there is a request to answer, else without a word."""
        if self.stage is Stage.HEAD and self._head_begun:
            self._refuse(
                HttpProblem(
                    problem_types.TOO_SLOW, f"the request's head took more than {self._limits.head_seconds:.0f} s"
                )
            )
        elif self.stage in (Stage.ANSWER, Stage.CLOSING):
            self.make_room()
        else:
            self._close()

    def make_room(self) -> None:
        """Close it at once: what it has not read yet is lost."""
        self.stage = Stage.GONE
        self.transport.abort()

    def finish(self) -> None:
        """Close behind the last answer; a socket closed with bytes unread is reset, and the answer lost with it."""
        if self._refused or self.pipeline or self.cycle.more_body:
            self._linger()
        else:
            self._close()

    # -- inside

    def _enter(self, stage: Stage, seconds: float) -> None:
        self.stage = stage
        self.since = self.loop.time()
        self.until = self.since + seconds

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._enter(Stage.ANSWER, self._limits.write_seconds if self.flow.write_paused else math.inf)
        cycle.transport = self._outlet  # type: ignore[assignment] # it writes, and closes in our way
        super()._start_asgi_task(cycle, app)

    def _wrong(self) -> HttpProblem | None:
        if self._health_only and not self.url.startswith(HEALTH):
            return _too_many()
        if len(self.url) > limits.REQUEST_LINE:
            return HttpProblem(
                problem_types.TARGET_TOO_LONG, f"the path and query are longer than {limits.REQUEST_LINE}"
            )
        size, hosts = 0, list[bytes]()
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts.append(value)
        if size > limits.HEAD or len(self.headers) > limits.HEADER_FIELDS:
            return _head_too_large()
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            return HttpProblem(problem_types.BAD_HOST, "send Host once: RFC 9112, section 3.2")
        if hosts and not _HOST.fullmatch(hosts[0]):
            return HttpProblem(problem_types.BAD_HOST, "Host names one host, with a port or without")
        return None

    def _refuse(self, problem: HttpProblem) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # an answer is under way: nothing may be mixed into it, it is the last
            return
        self.transport.write(_written(problem))
        self._linger()

    def _linger(self) -> None:
        self._enter(Stage.LINGER, self._limits.linger_seconds)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _close(self) -> None:
        self._enter(Stage.CLOSING, self._limits.write_seconds)
        self.transport.close()


class _Outlet:
    """A connection's transport as a request's cycle uses it."""

    def __init__(self, protocol: LimitedProtocol) -> None:
        self._transport = protocol.transport
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.finish

    def write(self, data: bytes) -> None:
        """Send it, as long as the connection is open: asyncio warns of each write after that."""
        if not self._transport.is_closing():
            self._transport.write(data)


def _too_many() -> HttpProblem:
    return unavailable(problem_types.BUSY, "too many connections: use fewer, keep them alive, ask again")


def _head_too_large() -> HttpProblem:
    detail = f"the header is larger than {limits.HEAD} bytes or {limits.HEADER_FIELDS} fields"
    return HttpProblem(problem_types.HEAD_TOO_LARGE, detail)


def _written(problem: HttpProblem) -> bytes:
    response = problem.response()
    lines = [b"HTTP/1.1 %d " % problem.status_code, b"\r\nconnection: close\r\n"]
    lines += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([*lines, b"\r\n", response.body])
