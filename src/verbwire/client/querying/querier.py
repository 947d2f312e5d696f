"""Sends queries over HTTP, until there is an answer or the time is up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.client.base.positions import SeenPositions
from verbwire.client.querying.endpoints import WorkerEndpoints
from verbwire.client.querying.request import QueryRoute
from verbwire.client.querying.result import QueryResult
from verbwire.errors import (
    BadQueryError,
    ClosedError,
    NotAllowedError,
    NotFoundError,
    ParkedError,
    QueryError,
    UnavailableError,
    UnencodableError,
)
from verbwire.messages import Page, Query
from verbwire.security.hosts import is_loopback
from verbwire.security.tls import Authorities, advice_of
from verbwire.wire.codec.topics import Codec
from verbwire.wire.freshness import COMPLETE, decode_freshness
from verbwire.wire.freshness import HEADER as FRESHNESS
from verbwire.wire.positions import HEADER

if TYPE_CHECKING:
    import httpx2 as httpx

log = logging.getLogger(__name__)

R = TypeVar("R")

THREADS = 16  # queries at the same time; more of them wait
_PAUSE_SECONDS = 0.1  # the first pause before asking again; each is twice as long as the one before
_LONGEST_PAUSE = 1.0
_CONNECT_SECONDS = 2.0
_AGAIN = frozenset({429, 502, 503, 504})
PARKED = "parked"
_UNKNOWN_TOPIC = "unknown_topic"  # what we have seen is of a context that its worker does not know; others may


class Querier:
    """Asks the queries of one client; may be used by several threads. Connects at the first one."""

    def __init__(self, connection: Connection, codec: Callable[[], Codec], positions: SeenPositions) -> None:
        self._connection = connection
        self._codec = codec
        self._positions = positions
        self._routes: dict[type[Query], QueryRoute] = {}
        self._lock = threading.Lock()
        self._session: _QuerySession | None = None
        self._closed = threading.Event()

    def query(self, query: Query[R], timeout: float, after: Page[Any] | None, fresh: str = "") -> QueryResult[R]:
        """Begin to ask, and return the answer-to-be; an invalid query is raised here."""
        route = self._routes.get(type(query))
        if route is None:
            route = self._routes[type(query)] = QueryRoute(self._connection.catalog, type(query))
        target = route.target(query) if after is None else following_page(route, after)
        with self._lock:
            if self._closed.is_set():
                raise ClosedError("the client is closed: make a new one")
            if self._session is None:
                self._session = _QuerySession(
                    self._connection, WorkerEndpoints.of(self._connection, self._codec()), self._closed
                )
        wanted = {HEADER: self._positions.header(), FRESHNESS: fresh}
        headers = {name: value for name, value in wanted.items() if value}
        return self._session.begin(_PendingQuery(route, target, headers, time.monotonic() + timeout))

    def close(self) -> None:
        """Let go of everything; what is still waited for fails with :class:`ClosedError`. Closing twice is fine."""
        with self._lock:
            self._closed.set()
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def abandon(self) -> None:
        """Stop the threads of an owner that is gone without closing."""
        self._closed.set()


@dataclass(frozen=True, slots=True)
class _PendingQuery:
    route: QueryRoute
    target: str
    headers: Mapping[str, str]
    deadline: float  # on the monotonic clock


class _QuerySession:
    """The connections and threads of a client that sends queries."""

    def __init__(self, connection: Connection, endpoints: WorkerEndpoints, closed: threading.Event) -> None:
        import httpx2 as httpx  # half a second, which clients that only send need not wait for

        self._lost: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL)
        self._connection = connection
        self._endpoints = endpoints
        self._closed = closed
        self._authorities = Authorities(connection.http_tls_ca)
        context = self._authorities.context()
        self._http = httpx.Client(
            verify=context, limits=httpx.Limits(max_keepalive_connections=THREADS, keepalive_expiry=15.0)
        )
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="verbwire-query")
        self._open: set[QueryResult[Any]] = set()
        self._warned = False

    def begin(self, query: _PendingQuery) -> QueryResult[Any]:
        answer: QueryResult[Any] = QueryResult(query.route.contract.name)
        self._open.add(answer)
        self._pool.submit(self._run, answer, query)
        return answer

    def close(self) -> None:
        self._http.close()  # cuts off what is under way
        self._pool.shutdown(wait=True, cancel_futures=True)
        for answer in list(self._open):
            answer.settle(None, _closed())
        self._endpoints.close()

    def _run(self, answer: QueryResult[Any], query: _PendingQuery) -> None:
        try:
            reply, complete = self._ask(query)
            answer.settle(reply, complete=complete)
        except Exception as error:  # noqa: BLE001 (it belongs to the caller)
            answer.settle(None, _closed() if self._closed.is_set() else error)
        finally:
            self._open.discard(answer)

    def _ask(self, query: _PendingQuery) -> tuple[Any, bool | None]:
        """Return the reply, and whether it is of a table that has caught up; None where that is not said."""
        route, name, pause = query.route, query.route.contract.name, _PAUSE_SECONDS
        while True:
            response = self._ask_one_worker(query)
            if response.status == 200:
                reply = route.read(response.body)
                return reply, reply.complete if isinstance(reply, Page) else response.complete
            if response.is_final():
                raise refusal_of(response.status or 0, response.body, name)
            if time.monotonic() + pause > query.deadline:
                raise UnavailableError(f"{name} was not answered in time: {response.why}")
            if self._closed.wait(pause):
                raise _closed()
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _ask_one_worker(self, query: _PendingQuery) -> _WorkerResponse:
        """Ask one worker."""
        try:
            endpoint = self._endpoints.endpoint()
        except UnavailableError as error:
            return _WorkerResponse(None, b"", str(error))
        headers = dict(query.headers)
        if token := self._connection.token():
            headers["Authorization"] = f"Bearer {token}"
            self._warn_if_unencrypted(endpoint)
        self._authorities.context()  # looks at the file, now and then
        try:
            seconds = max(0.001, query.deadline - time.monotonic())
            response = self._http.get(endpoint + query.target, headers=headers, timeout=_timeout(seconds))
        except self._lost as error:
            self._endpoints.mark_failed(endpoint)
            advice = advice_of(error) or self._endpoints.advice
            return _WorkerResponse(None, b"", f"{endpoint} does not answer: {type(error).__name__} {error}; {advice}")
        code, detail = _problem_of(response.content)
        if response.status_code in _AGAIN and code != PARKED:
            self._endpoints.mark_failed(endpoint)
        if code == _UNKNOWN_TOPIC:  # of an older version than the worker that has answered us before
            self._endpoints.mark_failed(endpoint)
        freshness = response.headers.get(FRESHNESS, "")
        return _WorkerResponse(response.status_code, response.content, detail, freshness, code)

    def _warn_if_unencrypted(self, endpoint: str) -> None:
        """Warn once of a token that is sent unencrypted."""
        parts = urlsplit(endpoint)
        if not self._warned and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            self._warned = True
            log.warning(
                "queries send a token to %s unencrypted, where others can read it: give the workers a certificate "
                "(http_tls_certificate, VERBWIRE_HTTP_TLS_CERTIFICATE)",
                endpoint,
            )


@dataclass(frozen=True, slots=True)
class _WorkerResponse:
    """The response of one worker; without a status there was none, and `why` is the reason."""

    status: int | None
    body: bytes
    why: str
    freshness: str = ""  # of its table, as it says
    code: str = ""

    @property
    def complete(self) -> bool | None:
        """Whether its table has caught up; None where no table has answered, or one that does not say."""
        return self.freshness == COMPLETE if self.freshness else None

    def is_final(self) -> bool:
        """Whether asking again would bring nothing else. What is not found in a table that is behind may be there."""
        if self.code == PARKED:  # an operator has to decide first
            return True
        unknown = self.status is None or self.status in _AGAIN or self.code == _UNKNOWN_TOPIC
        return not (unknown or (self.status == 404 and decode_freshness(self.freshness) is not None))


def _closed() -> ClosedError:
    return ClosedError("the client was closed before the answer came: ask again")


def _timeout(seconds: float) -> httpx.Timeout:
    import httpx2 as httpx

    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))


def following_page(route: QueryRoute, after: Page[Any]) -> str:
    """Return the target of the page behind `after`; :class:`UnencodableError` where none follows it."""
    if after.next is None or not after.next.startswith(f"/queries/{route.contract.name}?"):
        why = "it is the last one" if after.next is None else "it answered another query"
        raise UnencodableError(f"{route.contract.name}: nothing follows this page, {why}")
    return after.next


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""


def _problem_of(body: bytes) -> tuple[str, str]:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return "", body[:200].decode(errors="replace")
    return problem.code, problem.detail


def refusal_of(status: int, body: bytes, name: str) -> QueryError:
    """Return the error that a refused query raises, by its answer's status and problem."""
    code, detail = _problem_of(body)
    text = f"{name}: {detail or f'status {status}'}"
    if status in (401, 403):
        return NotAllowedError(text, status, code)
    if code == PARKED:
        return ParkedError(text, status, code)
    if code == "not_found":
        return NotFoundError(text, status, code)
    if status in (400, 404, 414):
        return BadQueryError(text, status, code)
    return QueryError(text, status, code)
