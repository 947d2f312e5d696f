"""Queries in memory: answered by the endpoints of HTTP, without a socket, and read as a client reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from verbwire.client.querying.querier import following_page, refusal_of
from verbwire.client.querying.request import QueryRoute
from verbwire.contracts.schema.model import Catalog
from verbwire.http.base.concurrency import ByteBudget, ConcurrencyLimiter
from verbwire.http.base.limits import RequestLimits
from verbwire.http.base.problem import HttpProblem
from verbwire.http.tables.queries import Answerable, Queries
from verbwire.http.tables.reads import TableReads
from verbwire.messages import Page, Query
from verbwire.principal import Principal

_MEMORY = RequestLimits().memory  # bytes, all for the one request


class MemoryQueries:
    """Answers the queries of a project by its tables in memory, and by its responders."""

    def __init__(self, catalog: Catalog, answers: Sequence[Answerable], topics: Collection[str]) -> None:
        self._catalog = catalog
        self._reads = TableReads()
        self._queries = Queries(answers, self._reads, topics)
        # A thread of its own: the caller may be a test that runs in a loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="verbwire-in-memory")

    def query(self, query: Query, principal: Principal, after: Page | None) -> Any:
        """Return the reply, or a page of them; raises what a client raises."""
        route = QueryRoute(self._catalog, type(query))
        target = route.target(query) if after is None else following_page(route, after)
        request = _request(target, principal)
        try:
            return route.read(self._thread.submit(asyncio.run, self._answer(request)).result())
        except HttpProblem as problem:
            raise refusal_of(problem.status_code, problem.body(), route.contract.name) from None

    def close(self) -> None:
        """Let go of the threads."""
        self._reads.close()
        self._thread.shutdown()

    async def _answer(self, request: Request) -> bytes:
        answer = self._queries.query(request)
        return bytes((answer if isinstance(answer, Response) else await answer).body)


def _request(target: str, principal: Principal) -> Request:
    path, _, query = target.partition("?")
    byte_budget = ByteBudget(ConcurrencyLimiter("bytes", _MEMORY, _MEMORY), principal.actor)
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode("ascii"),
            "path_params": {"name": path.rpartition("/")[2]},
            "query_string": query.encode("ascii"),
            "headers": [],
            "fields": {},
            "principal": principal,
            "byte_budget": byte_budget,
            "forwarded": False,
        }
    )
