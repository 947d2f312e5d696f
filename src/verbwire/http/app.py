"""The HTTP application of a worker, put together. Each endpoint has a file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.routing import Route

from verbwire.http.access.access_control import AccessControl
from verbwire.http.access.auth import Authenticator
from verbwire.http.access.path_access import PathAccess
from verbwire.http.access.rates import Rates
from verbwire.http.application import Application
from verbwire.http.base.limits import RequestLimits
from verbwire.http.forwarding.peers import ALONE, Peers
from verbwire.http.operations.endpoints import OperationsEndpoints
from verbwire.http.operations.health import Health
from verbwire.http.tables.endpoints import TableEndpoints
from verbwire.http.tables.queries import Answerable, Queries
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.reads import TableReads
from verbwire.observability.metrics.registry import Metrics


class Part(Protocol):
    """What a worker answers besides its tables, health and metrics."""

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        ...

    def close(self) -> None:
        """Let go of what it holds; called once, after the last answer."""
        ...


@dataclass(frozen=True)
class Readable:
    """What may be read: the project's tables and queries. What of them is not here is asked for by way of `peers`.

    `topics` are those that positions may name; None: any.
    """

    tables: Sequence[QueryableTable] = ()
    queries: Sequence[Answerable] = ()
    peers: Peers = ALONE
    topics: Collection[str] | None = None


@dataclass(frozen=True)
class Access:
    """Who may ask, and how often. `opened` and `static` are those of :class:`PathAccess`: what is for anybody."""

    auth: Authenticator
    rates: Rates | None = None
    opened: Collection[str] = ()
    static: Callable[[str], bool] = lambda _: False


def build_app(
    access: Access,
    readable: Readable,
    health: Health,
    metrics: Metrics,
    parts: Sequence[Part] = (),
    limits: RequestLimits = RequestLimits(),
) -> Application:
    """Return the application: tables, queries, health, metrics and `parts`."""
    reads = TableReads(readable.peers, limits)
    queries = Queries(readable.queries, reads, readable.topics)
    routes = [
        *TableEndpoints(readable.tables, reads, readable.peers, readable.topics).routes,
        *OperationsEndpoints(health, metrics, reads.readers).routes,
        *queries.routes,
        *(route for part in parts for route in part.routes),
    ]

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        reads.close()
        for part in parts:
            part.close()
        await readable.peers.close()

    paths = PathAccess(access.opened, queries.is_public, access.static)
    return Application(AccessControl(access.auth, paths, access.rates, limits), routes, metrics.http, lifespan)
