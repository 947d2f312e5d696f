"""The HTTP application of a worker: tables, queries, health, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.http.access.auth import Authenticator
from verbwire.http.access.middleware import AccessMiddleware
from verbwire.http.access.path_access import PathAccess
from verbwire.http.access.rates import Rates
from verbwire.http.avro_json import encode
from verbwire.http.base import problem_types
from verbwire.http.base.names import NameResolver
from verbwire.http.base.problem import HttpProblem, of_router
from verbwire.http.base.requests import json_bytes, no_parameters, path_parameter, query_string
from verbwire.http.forwarding.peers import ALONE, Peers, is_forwarded
from verbwire.http.operations.health import Health
from verbwire.http.tables.lists import Lists
from verbwire.http.tables.queries import Answerable, Queries
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.reads import TableReads
from verbwire.http.tables.summaries import merge_summaries
from verbwire.observability.metrics import CONTENT_TYPE, Metrics
from verbwire.queries.plan import every_filter


class Part(Protocol):
    """What a worker answers besides its tables, health and metrics."""

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        ...

    def close(self) -> None:
        """Let go of what it holds; called once, after the last answer."""
        ...


def build_app(
    tables: Sequence[QueryableTable],
    auth: Authenticator,
    health: Health,
    metrics: Metrics,
    parts: Sequence[Part] = (),
    queries: Sequence[Answerable] = (),
    peers: Peers = ALONE,
    rates: Rates | None = None,
    topics: Collection[str] | None = None,
    opened: Collection[str] = (),
) -> Starlette:
    """Return the application; what it may be asked is in ``_Endpoints``, one method each, and in its `parts`.

    `tables` are all of the project's: what of them is not here is asked for by way of `peers`. `topics` are those that
    positions may name; None: any. `opened` are names of :class:`PathAccess`: what is told to nobody known as well.
    """
    endpoints = _Endpoints(tables, health, metrics, peers, topics)
    answering = Queries(queries, endpoints.lookup)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        endpoints.lookup.close()
        for part in parts:
            part.close()
        await peers.close()

    app = Starlette(
        routes=[
            Route("/tables/{name}/{key}", endpoints.row),
            Route("/tables/{name}", endpoints.page),
            Route("/tables", endpoints.tables),
            Route("/health/live", endpoints.live),
            Route("/health/ready", endpoints.ready),
            Route("/metrics", endpoints.metrics),
            *answering.routes,
            *(route for part in parts for route in part.routes),
        ],
        middleware=[
            Middleware(
                AccessMiddleware,
                auth=auth,
                metrics=metrics,
                access=PathAccess(opened, answering.is_public),
                rates=rates,
            )
        ],
        exception_handlers={HTTPException: _answer},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a redirect would be built from the client's own Host header
    return app


class _Endpoints:
    def __init__(
        self,
        tables: Sequence[QueryableTable],
        health: Health,
        metrics: Metrics,
        peers: Peers,
        topics: Collection[str] | None,
    ) -> None:
        self.lookup = TableReads(peers, topics)
        self._peers = peers
        self._lists = {
            table.name: Lists(table.name, f"/tables/{table.name}", every_filter(table.rows)) for table in tables
        }
        self._tables = NameResolver("table", {table.name: table for table in tables}, "GET /tables lists them")
        self._health = health
        self._metrics = metrics

    async def tables(self, request: Request) -> Response:
        """GET /tables: what there is and how far it is."""
        no_parameters(request)
        every = await self.lookup.readers.run(lambda: [self._summary(table) for table in self._tables.all])
        if not is_forwarded(request):
            every = merge_summaries(every, await self._peers.ask_all(request))
        return json_bytes(encode.encode({"tables": every}))

    async def page(self, request: Request) -> Response:
        """GET /tables/{name}: rows that pass its filters, in the order of their keys or of an index."""
        table = self._table(request)
        wanted = self._lists[table.name].read(query_string(request))
        return await self.lookup.rows(request, table, {"table": table.name}, lambda: wanted(()))

    async def row(self, request: Request) -> Response:
        """GET /tables/{name}/{key}: one row."""
        table = self._table(request)
        no_parameters(request)
        key = table.key(path_parameter(request, "key"))
        absent = HttpProblem(problem_types.NO_SUCH_ROW, f"table {table.name} has no row under this key")
        return await self.lookup.row(request, table, key, absent)

    async def live(self, request: Request) -> Response:
        """GET /health/live: whether this process is worth keeping."""
        return _health(request, self._health.dead(), "live")

    async def ready(self, request: Request) -> Response:
        """GET /health/ready: whether this worker serves; beside it, what stands still or has yet to catch up."""
        return _health(request, self._health.not_ready(), "ready", self._health.standing())

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: Prometheus' text format."""
        no_parameters(request)
        body = await self.lookup.readers.run(self._metrics.exposition)
        return Response(body, headers={"Content-Type": CONTENT_TYPE})

    def _table(self, request: Request) -> QueryableTable:
        return self._tables.find(path_parameter(request, "name"))

    def _summary(self, table: QueryableTable) -> dict[str, Any]:
        return {**table.summary(), "short_names": self._tables.short_names(table.name)}


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (it is registered for nothing else)
    return (error if isinstance(error, HttpProblem) else of_router(error, request.method)).response()


def _health(request: Request, problem: HttpProblem | None, status: str, more: Mapping[str, Any] = {}) -> Response:
    no_parameters(request)
    return problem.response() if problem is not None else json_bytes(encode.encode({"status": status, **more}))
