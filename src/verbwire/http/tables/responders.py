"""Queries that functions of users answer: one reply, or a page of a list, whatever they take it from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from verbwire.answering import answering
from verbwire.contracts.schema.model import Contract, SharedType
from verbwire.declarations.handlers import Handler
from verbwire.declarations.responder import Responder
from verbwire.declarations.rows import LONGEST_NEXT, PageRequest, Rows
from verbwire.declarations.table import RowFilter
from verbwire.errors import BadQueryError, UnavailableError, UnencodableError
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.http.avro_json import encode
from verbwire.http.base import problem_types
from verbwire.http.base.limits import PageLimits
from verbwire.http.base.problem import HttpProblem, page_too_large, unavailable
from verbwire.http.base.requests import json_bytes, parameters
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.tables import paging
from verbwire.http.tables.paging import PageWindow
from verbwire.http.tables.parameters import defaults_of, parameter_reader
from verbwire.http.tables.queries import PATH, required_of
from verbwire.http.tables.read_context import ReadContext
from verbwire.http.tables.reads import TableReads
from verbwire.messages import Kind, Query
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.principal import Principal
from verbwire.queries.plan import QueryableRow, may_see
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.freshness import HEADER as FRESHNESS

_MOST = PageLimits().page
_PLACED = ("page_size", "cursor")  # known to every list, whether its contract says so or not


class ResponderCalls:
    """Calls the functions of one responder: so many at once, for so long, and none that writes. On HTTP's loop."""

    def __init__(self, responder: Responder, watch: HandlerWatch, loop: HandlerLoop) -> None:
        self.visible = responder.row_filter
        self._watch = watch
        self._loop = loop
        self._seconds = responder.timeout.total_seconds()
        self._slots = asyncio.Semaphore(responder.concurrency)

    async def finished(
        self,
        handler: Handler,
        query: str,
        call: Callable[[], Any],
        finish: Callable[[Any], bytes],
        threads: BoundedThreadPool,
    ) -> bytes:
        """Return what `finish` makes of what a call returns, both off this loop; 503 where that takes too long."""
        try:
            async with asyncio.timeout(self._seconds) as time, self._slots:
                if handler.is_async:
                    answer = self._loop.begin(self._awaited(handler, query, call, finish))
                    return await asyncio.wrap_future(answer)
                return await threads.run(lambda: self._called(handler, query, call, finish))
        except TimeoutError:
            if not time.expired():  # it is the function's own
                raise
            why = f"{query} has no answer within {self._seconds:g} s: ask again, or for less"
            raise unavailable(problem_types.SOURCE_UNAVAILABLE, why) from None
        except UnavailableError as error:
            raise unavailable(problem_types.SOURCE_UNAVAILABLE, f"{query} cannot be answered now: {error}") from error
        except BadQueryError as error:
            raise HttpProblem(problem_types.BAD_PARAMETER, str(error)) from error

    def _called(self, handler: Handler, query: str, call: Callable[[], Any], finish: Callable[[Any], bytes]) -> bytes:
        with answering(query):
            return self._watch.call(handler, query, lambda: finish(self._loop.settled(call())))

    async def _awaited(
        self, handler: Handler, query: str, call: Callable[[], Any], finish: Callable[[Any], bytes]
    ) -> bytes:
        with answering(query), self._watch.running(handler, query):
            return finish(await call())


class FromResponder:
    """A query that a function answers, on every worker."""

    def __init__(
        self, contract: Contract, reply: Contract | SharedType, handler: Handler, calls: ResponderCalls
    ) -> None:
        self.contract = contract
        self._handler = handler
        self._calls = calls
        self._answers = _Answers(contract, reply, handler, calls.visible)
        self._asked = _QueryReader(contract, handler)

    async def answer(self, query: bytes, context: ReadContext, reads: TableReads) -> Response:
        """Answer by the function, off the loop; 404 where it returns None."""
        asked, principal = self._asked.read(parameters(query, self._asked.names)), context.principal
        handler, name = self._handler, self.contract.name

        def call() -> Any:
            return handler.call_alone(asked, lambda: principal)

        return json_bytes(
            await self._calls.finished(
                handler, name, call, lambda reply: self._answers.one(reply, principal), reads.responders
            )
        )


class ListFromResponder:
    """A query that a function answers by pages of a list, on every worker."""

    def __init__(
        self,
        contract: Contract,
        reply: Contract | SharedType,
        handler: Handler,
        calls: ResponderCalls,
        most: int = _MOST,
    ) -> None:
        self.contract = contract
        self._handler = handler
        self._calls = calls
        self._most = most  # bytes of rows
        self._answers = _Answers(contract, reply, handler, calls.visible)
        self._asked = _QueryReader(contract, handler)
        self._allowed = tuple(dict.fromkeys((*self._asked.names, *_PLACED)))
        self._defaults = defaults_of(handler.message)

    async def answer(self, query: bytes, context: ReadContext, reads: TableReads) -> Response:
        """Answer by the page that the function returns; 503 where it is not complete, and that is insisted on."""
        given, principal = parameters(query, self._allowed), context.principal
        scope = self._scope(given, principal)
        window = paging.window(scope, given, self._defaults)
        kept = {name: text for name, text in given.items() if name in self._asked.names and name != "page_size"}
        sized = {"page_size": str(window.size)} if "page_size" in self._asked.names else {}
        asked = self._asked.read({**kept, **sized})
        page = PageRequest(window.size, window.after.decode() or None)
        handler, name = self._handler, self.contract.name

        def call() -> Any:
            return handler.call(asked, page, lambda: principal)

        def finish(found: Any) -> bytes:
            rows = self._answers.page(found, window.size, principal)
            if context.complete and not rows.complete:
                raise _incomplete(name)
            return self._written(rows, window, self._next(kept, window, scope, rows.next))

        return json_bytes(await self._calls.finished(handler, name, call, finish, reads.responders))

    def _scope(self, given: Mapping[str, str], principal: Principal) -> str:
        """What a cursor belongs to: a source's own may stand for what was found for this principal, and this query."""
        kept = sorted((name, text) for name, text in given.items() if name not in _PLACED)
        return f"{self.contract.name} {principal.actor} {urlencode(kept)}"

    def _next(self, kept: Mapping[str, str], window: PageWindow, scope: str, following: str | None) -> str | None:
        if following is None:
            return None
        place = paging.cursor(scope, following.encode())
        return f"{PATH}{self.contract.name}?{urlencode({**kept, 'page_size': window.size, 'cursor': place})}"

    def _written(self, found: Rows[bytes], window: PageWindow, following: str | None) -> bytes:
        if len(found.rows) > 1 and sum(map(len, found.rows)) > self._most:
            raise page_too_large(f"these {len(found.rows)} rows are more than {self._most} bytes")
        return encode.encode(
            {
                "query": self.contract.name,
                "page": None if window.after else 1,
                "page_size": window.size,
                "rows": [msgspec.Raw(row) for row in found.rows],
                "complete": found.complete,
                "missing_partitions": [],
                "behind": {},
                "parked": 0,
                "positions": {},
                "next": following,
            }
        )


class _QueryReader:
    """Makes the query of parameters, as any reader would have it."""

    def __init__(self, contract: Contract, handler: Handler) -> None:
        self.names = tuple(contract.fields)
        self._message = handler.message
        self._normal = Encoder(contract, 0).normal
        self._read = parameter_reader(contract)

    def read(self, given: Mapping[str, str]) -> Query:
        """Return it; 400 for what the contract does not allow."""
        values = self._read(given)
        try:
            found: Query = self._normal(msgspec.convert(values, self._message))
        except UnencodableError as error:
            raise HttpProblem(problem_types.BAD_PARAMETER, str(error)) from None
        return found


class _Answers:
    """What a function returns, as JSON: what does not fit its schema must not pass for it."""

    def __init__(
        self, contract: Contract, reply: Contract | SharedType, handler: Handler, visible: RowFilter | None
    ) -> None:
        self._name, self._short = contract.name, contract.short
        self._reply = reply.name.rpartition(".")[2]
        self._where = handler.where
        self._replies = Encoder(_contract(reply), 0)
        self._encode = encode.encoder(reply)
        self._visible = visible
        self._rows = QueryableRow(contract.name, _contract(reply), {})

    def one(self, reply: Any, principal: Principal) -> bytes:
        """Return a reply; 404 where there is none, or none that the principal may see."""
        absent = HttpProblem(problem_types.NOT_FOUND, f"{self._short} has no answer to this")
        if reply is None:
            raise absent
        seen = self._seen([self._fitting(reply)], principal)
        if not seen:
            raise absent
        return self._encode(seen[0])

    def page(self, found: Any, size: int, principal: Principal) -> Rows[bytes]:
        """Return a page of what the principal may see; TypeError for what is none."""
        if not isinstance(found, Rows):
            raise TypeError(f"{self._where} returned {type(found).__name__}, a list is answered by Rows(...)")
        if len(found.rows) > size:
            raise TypeError(f"{self._where} returned {len(found.rows)} rows, the page has {size} at most")
        if found.next is not None and not 0 < len(found.next.encode()) <= LONGEST_NEXT:
            raise TypeError(f"{self._where}: `next` has 1 to {LONGEST_NEXT} bytes, and is None on the last page")
        rows = self._seen([self._fitting(each) for each in found.rows], principal)
        return Rows([self._encode(each) for each in rows], bool(found.complete), found.next)

    def _seen(self, replies: Sequence[Any], principal: Principal) -> Sequence[Any]:
        if self._visible is None:
            return replies
        required = required_of(self._visible, principal)
        return [each for each in replies if may_see(self._rows, each, required)]

    def _fitting(self, reply: Any) -> Any:
        if type(reply).__name__ != self._reply:
            raise TypeError(f"{self._where} returned {type(reply).__name__}, {self._name} is answered by {self._reply}")
        try:
            found = self._replies.normal(reply)
            self._replies(found)
        except UnencodableError as error:
            raise TypeError(f"{self._where}: {error}") from error
        return found


def _incomplete(query: str) -> HttpProblem:
    why = f"{query} is answered from a part of what there is: ask again, or without {FRESHNESS}"
    return unavailable(problem_types.CATCHING_UP, why)


def _contract(record: Contract | SharedType) -> Contract:
    return record if isinstance(record, Contract) else Contract(record.name, Kind.REPLY, (), record.schema, record.file)
