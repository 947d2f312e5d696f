"""Tables over HTTP, for operators: ``GET /tables``, ``/tables/{name}`` and ``/tables/{name}/{key}``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.http.avro_json import encode
from verbwire.http.base import problem_types
from verbwire.http.base.names import NameResolver
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import json_bytes, no_parameters, path_parameter, query_string
from verbwire.http.base.routing import Answer
from verbwire.http.forwarding.peers import Peers
from verbwire.http.forwarding.request import ForwardableRequest
from verbwire.http.tables.lists import Lists
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.read_context import ReadContext
from verbwire.http.tables.reads import TableReads
from verbwire.http.tables.summaries import merge_summaries, served_summary
from verbwire.queries.plan import every_filter
from verbwire.wire.records.scheduled import SCHEDULED

# A row is looked for in the partition of its key; what waits for later stands in that of what it will be sent to.
_LIES_ELSEWHERE = (
    "a command for later stands in the partition of its own key, not of its id: ask for the list, GET /tables/{name} "
    "(`command` and `status` narrow it), or use `verbwire scheduled show ID`"
)


class TableEndpoints:
    """Shows all tables of the project, here and at other workers. `topics` are those that positions may name."""

    def __init__(
        self, tables: Sequence[QueryableTable], reads: TableReads, peers: Peers, topics: Collection[str] | None = None
    ) -> None:
        self._tables = NameResolver("table", {table.name: table for table in tables}, "GET /tables lists them")
        self._lists = {
            table.name: Lists(table.name, f"/tables/{table.name}", every_filter(table.rows)) for table in tables
        }
        self._absent = {
            table.name: HttpProblem(problem_types.NO_SUCH_ROW, f"table {table.name} has no row under this key")
            for table in tables
        }
        self._reads = reads
        self._peers = peers
        self._topics = topics

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        return [
            Route("/tables/{name}/{key}", self.row),
            Route("/tables/{name}", self.page),
            Route("/tables", self.tables),
        ]

    async def tables(self, request: Request) -> Response:
        """GET /tables: what there is and how far it is."""
        no_parameters(request)
        every = await self._reads.readers.run(lambda: [self._summary(table) for table in self._tables.all])
        asked = ForwardableRequest.of(request)
        if not asked.forwarded:
            every = merge_summaries(every, await self._peers.ask_all(asked))
        return json_bytes(encode.encode({"tables": every}))

    def page(self, request: Request) -> Answer:
        """GET /tables/{name}: rows that pass its filters, in the order of their keys or of an index."""
        table = self._table(request)
        listing = self._lists[table.name].read(query_string(request))
        return self._reads.rows(self._context(request), table, {"table": table.name}, listing)

    def row(self, request: Request) -> Answer:
        """GET /tables/{name}/{key}: one row."""
        table = self._table(request)
        no_parameters(request)
        if table.store_reader.row.name == SCHEDULED.name:
            raise HttpProblem(problem_types.BAD_KEY, _LIES_ELSEWHERE.format(name=table.name))
        key = table.key(path_parameter(request, "key"))
        return self._reads.row(self._context(request), table, key, self._absent[table.name])

    def _context(self, request: Request) -> ReadContext:
        return self._reads.context(request, self._topics)

    def _table(self, request: Request) -> QueryableTable:
        return self._tables.find(path_parameter(request, "name"))

    def _summary(self, table: QueryableTable) -> dict[str, Any]:
        return {**served_summary(table), "short_names": self._tables.short_names(table.name)}
