"""uvicorn's HTTP/1.1 protocol with limits on what a client may make us hold, and for how long.

uvicorn's httptools protocol keeps a request's head whatever its size and however long it takes, and forgets its only
timer at any byte. Here a connection is always in one stage (:class:`Stage`), and every stage in which its client has to
do something ends by itself. What is refused here never becomes a request, so its answer is written by hand: a problem
like every other.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from starlette.responses import Response
from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from verbwire.http.base import limits, problem_types
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.base.response_head import ResponseHead, head_of
from verbwire.http.base.routing import Answer
from verbwire.http.serving.connections import ConnectionTable, HttpConnection, Stage

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application

HEALTH = b"/health/"
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")  # RFC 3986: a host and a port, or nothing


class Answering(Protocol):
    """What answers requests."""

    def begin(self, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to a request, or what to await for it; neither raises."""
        ...

    def end(self, scope: Scope) -> None:
        """Take notice that the answer has been written, or can no longer be."""
        ...


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Refuses long targets (414), large or slow heads (431, 408), what is not HTTP (400).

    An answer that had not to be waited for is written in the turn of the loop that has read its request: one for each
    read, so that no client takes more than its turn. All others are tasks.
    """

    stage = Stage.HEAD
    since = 0.0
    until = math.inf
    _refused = False
    _health_only = False
    _kept_alive = False
    _head_begun = False
    _head_done = False
    _head_bytes = 0
    _has_body = False
    _ending: RequestResponseCycle | None = None  # its head has been read, and the end is in the same bytes
    _had_its_turn = False

    def __init__(self, *given: Any, house: ConnectionTable, answering: Answering, **named: Any) -> None:
        super().__init__(*given, **named)
        self._answering = answering
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
        # asyncio would ask for 256 KiB, which the C library takes from the system, and gives back, at each read, unless
        # something larger was freed before.
        transport.max_size = limits.READ  # type: ignore[attr-defined] # of its selector's transports
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
        self._had_its_turn = False
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
            if (cycle := self._ending) is not None:
                self._ending = None
                self._begin(cycle)

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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:  # noqa: ARG002 (uvicorn's)
        self._enter(Stage.ANSWER, self._limits.write_seconds if self.flow.write_paused else math.inf)
        cycle.transport = self._outlet  # type: ignore[assignment] # it writes, and closes in our way
        if self._has_body:
            cycle.scope["whole_body"] = partial(_whole_body, cycle)  # type: ignore[typeddict-unknown-key]
        if cycle is self.cycle and cycle.more_body and not self._has_body:
            self._ending = cycle
        else:
            self._begin(cycle)

    def _begin(self, cycle: RequestResponseCycle) -> None:
        answer = self._answering.begin(cast(Scope, cycle.scope), cast(Receive, cycle.receive))
        if isinstance(answer, Response) and not (cycle.more_body or self._had_its_turn) and self._goes_out(answer):
            self._had_its_turn = True
            self._write(cycle, _head(cycle), _body(cycle, answer))
            self._answering.end(cast(Scope, cycle.scope))
        else:
            task = self.loop.create_task(self._answer(cycle, answer))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    async def _answer(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        """Write an answer so that a client which reads slowly is waited for, its concurrency slot still taken."""
        try:
            response = answer if isinstance(answer, Response) else await answer
            head, rest = _head(cycle), memoryview(_body(cycle, response))
            while len(rest) > limits.PIECE and not cycle.disconnected:
                await self.flow.drain()
                self._outlet.write(head + rest[: limits.PIECE])
                head, rest = b"", rest[limits.PIECE :]
            await self.flow.drain()
            self._write(cycle, head, rest)
        except BaseException:  # the server stops, for one
            self.make_room()
            raise
        finally:
            self._answering.end(cast(Scope, cycle.scope))

    def _goes_out(self, answer: Response) -> bool:
        return len(answer.body) <= limits.PIECE and not self.flow.write_paused

    def _write(self, cycle: RequestResponseCycle, head: bytes, body: bytes | memoryview) -> None:
        """Write the end of an answer, and go on: what uvicorn does, but for the two writes of small answers."""
        if cycle.disconnected:
            return
        self._outlet.write(b"".join((head, body)))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.finish()
        self.on_response_complete()

    def _wrong(self) -> HttpProblem | None:
        if self._health_only and not self.url.startswith(HEALTH):
            return _too_many()
        if len(self.url) > limits.REQUEST_LINE:
            return HttpProblem(
                problem_types.TARGET_TOO_LONG, f"the path and query are longer than {limits.REQUEST_LINE}"
            )
        size, fields = 0, dict[bytes, list[bytes]]()
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name in fields:
                fields[name].append(value)
            else:
                fields[name] = [value]
        self.scope["fields"] = fields  # type: ignore[typeddict-unknown-key] # for all who look for one
        self._has_body = b"content-length" in fields or b"transfer-encoding" in fields
        hosts = fields.get(b"host", ())
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


def _whole_body(cycle: RequestResponseCycle) -> bytes | None:
    """Take the body where all of it is here, as ``receive`` would; None where it has to be waited for."""
    if cycle.more_body or cycle.disconnected or cycle.response_complete:
        return None
    cycle.flow.resume_reading()
    body, cycle.body = bytes(cycle.body), bytearray()
    return body


def _head(cycle: RequestResponseCycle) -> bytes:
    """Return status line and header fields; where the connection is to end with this answer, they say so."""
    head: ResponseHead = cycle.scope["head"]  # type: ignore[typeddict-item] # the application's
    if head.closes:
        cycle.keep_alive = False
    lines = [head.lines, head.length, b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"]
    for name, value in cycle.default_headers:
        lines[1:1] = (name, b": ", value, b"\r\n")
    return b"".join(lines)


def _body(cycle: RequestResponseCycle, answer: Response) -> bytes | memoryview:
    return b"" if cycle.scope["method"] == "HEAD" else answer.body


def _too_many() -> HttpProblem:
    return unavailable(problem_types.BUSY, "too many connections: use fewer, keep them alive, ask again")


def _head_too_large() -> HttpProblem:
    detail = f"the header is larger than {limits.HEAD} bytes or {limits.HEADER_FIELDS} fields"
    return HttpProblem(problem_types.HEAD_TOO_LARGE, detail)


def _written(problem: HttpProblem) -> bytes:
    response = problem.response()
    head = head_of(response)
    return b"".join((head.lines, head.length, b"connection: close\r\n\r\n", response.body))
