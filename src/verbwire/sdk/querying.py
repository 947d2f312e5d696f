"""Asking queries over HTTP, until there is an answer or the time is up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from verbwire.errors import (
    BadQueryError,
    ClosedError,
    NotAllowedError,
    NotFoundError,
    QueryError,
    UnavailableError,
    UnencodableError,
)
from verbwire.messages import Query
from verbwire.sdk.answer import Answer, Page
from verbwire.sdk.connection import Connection
from verbwire.sdk.doors import Doors
from verbwire.sdk.positions import SeenPositions
from verbwire.sdk.questions import QueryRoute
from verbwire.wire.codec import Codec
from verbwire.wire.positions import HEADER

if TYPE_CHECKING:
    import httpx2 as httpx

THREADS = 16  # questions at the same time; more of them wait
_PAUSE_SECONDS = 0.1  # the first pause before asking again; each is twice as long as the one before
_LONGEST_PAUSE = 1.0
_CONNECT_SECONDS = 2.0
_AGAIN = frozenset({429, 502, 503, 504})


class Querier:
    """Asks the queries of one client; may be used by several threads. Connects at the first one."""

    def __init__(self, connection: Connection, codec: Callable[[], Codec], positions: SeenPositions) -> None:
        self._connection = connection
        self._codec = codec
        self._positions = positions
        self._routes: dict[type[Query], QueryRoute] = {}
        self._lock = threading.Lock()
        self._asking: _Asking | None = None
        self._closed = threading.Event()

    def query(self, query: Query, timeout: float, after: Page | None) -> Answer:
        """Begin to ask, and return the answer-to-be; what is wrong with the question itself is raised here."""
        route = self._routes.get(type(query))
        if route is None:
            route = self._routes[type(query)] = QueryRoute(self._connection.catalog, type(query))
        target = route.target(query) if after is None else _following(route, after)
        with self._lock:
            if self._closed.is_set():
                raise ClosedError("the client is closed: make a new one")
            if self._asking is None:
                self._asking = _Asking(self._connection, Doors.of(self._connection, self._codec()), self._closed)
        return self._asking.begin(route, target, self._positions.header(), timeout)

    def close(self) -> None:
        """Let go of everything; what is still waited for fails with :class:`ClosedError`. Closing twice is fine."""
        with self._lock:
            self._closed.set()
            asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()

    def abandon(self) -> None:
        """Stop the threads of an owner that is gone without closing."""
        self._closed.set()


class _Asking:
    """The connections and threads of a client that has asked something."""

    def __init__(self, connection: Connection, doors: Doors, closed: threading.Event) -> None:
        import httpx2 as httpx  # half a second, which clients that only send need not wait for

        self._lost: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL)
        self._connection = connection
        self._doors = doors
        self._closed = closed
        self._http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=THREADS, keepalive_expiry=15.0))
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="verbwire-query")
        self._open: set[Answer] = set()

    def begin(self, route: QueryRoute, target: str, positions: str, timeout: float) -> Answer:
        answer = Answer(route.contract.name)
        self._open.add(answer)
        self._pool.submit(self._run, answer, route, target, positions, time.monotonic() + timeout)
        return answer

    def close(self) -> None:
        self._http.close()  # cuts off what is under way
        self._pool.shutdown(wait=True, cancel_futures=True)
        for answer in list(self._open):
            answer.settle(None, _closed())
        self._doors.close()

    def _run(self, answer: Answer, route: QueryRoute, target: str, positions: str, deadline: float) -> None:
        try:
            answer.settle(self._ask(route, target, positions, deadline))
        except Exception as error:  # noqa: BLE001 (it belongs to whoever asked)
            answer.settle(None, _closed() if self._closed.is_set() else error)
        finally:
            self._open.discard(answer)

    def _ask(self, route: QueryRoute, target: str, positions: str, deadline: float) -> Any:
        headers, pause = {HEADER: positions} if positions else {}, _PAUSE_SECONDS
        while True:
            status, body, why = self._once(target, headers, deadline)
            if status == 200:
                return route.read(body)
            if status is not None and status not in _AGAIN:
                raise _refusal(status, body, route.contract.name)
            if time.monotonic() + pause > deadline:
                raise UnavailableError(f"{route.contract.name} was not answered in time: {why}")
            if self._closed.wait(pause):
                raise _closed()
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _once(self, target: str, headers: dict[str, str], deadline: float) -> tuple[int | None, bytes, str]:
        """Ask one worker; return status and body, or None and why it did not answer."""
        try:
            door = self._doors.door()
        except UnavailableError as error:
            return None, b"", str(error)
        if token := self._connection.token():
            headers = {**headers, "Authorization": f"Bearer {token}"}
        try:
            seconds = max(0.001, deadline - time.monotonic())
            response = self._http.get(door + target, headers=headers, timeout=_timeout(seconds))
        except self._lost as error:
            self._doors.shut(door)
            return None, b"", f"{door} does not answer: {type(error).__name__} {error}"
        if response.status_code in _AGAIN:
            self._doors.shut(door)
        return response.status_code, response.content, _said(response.content)[1]


def _closed() -> ClosedError:
    return ClosedError("the client was closed before the answer came: ask again")


def _timeout(seconds: float) -> httpx.Timeout:
    import httpx2 as httpx

    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))


def _following(route: QueryRoute, after: Page) -> str:
    if after.next is None or not after.next.startswith(f"/queries/{route.contract.name}?"):
        why = "it is the last one" if after.next is None else "it answered another query"
        raise UnencodableError(f"{route.contract.name}: nothing follows this page, {why}")
    return after.next


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""


def _said(body: bytes) -> tuple[str, str]:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return "", body[:200].decode(errors="replace")
    return problem.code, problem.detail


def _refusal(status: int, body: bytes, name: str) -> QueryError:
    code, detail = _said(body)
    text = f"{name}: {detail or f'status {status}'}"
    if status in (401, 403):
        return NotAllowedError(text, status, code)
    if code == "not_found":
        return NotFoundError(text, status, code)
    if status in (400, 404, 414):
        return BadQueryError(text, status, code)
    return QueryError(text, status, code)
