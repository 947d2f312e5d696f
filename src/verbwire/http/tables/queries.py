"""Queries over HTTP: ``GET /queries/{name}?field=value...``, answered by tables here, and by `responders`.

Checked in this order: the principal, the query's name, permission, parameters. A row that the principal may not
see does not exist for them: it is not found by its key, and lists leave it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote

from starlette.requests import Request
from starlette.routing import Route

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.table import RowFilter
from verbwire.errors import UnkeyableError
from verbwire.handling.permission import refusal
from verbwire.http.access.auth import require
from verbwire.http.base import problem_types
from verbwire.http.base.names import NameResolver
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import parameters, path_parameter, principal_of, query_string
from verbwire.http.base.routing import Answer
from verbwire.http.tables.lists import Lists
from verbwire.http.tables.parameters import bad_parameter, defaults_of, parameter_reader
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.read_context import ReadContext
from verbwire.http.tables.reads import TableReads
from verbwire.messages import Message, Query
from verbwire.principal import Principal
from verbwire.queries.plan import QueryPlan, may_see, seen_by
from verbwire.queries.selection import Condition

PATH = "/queries/"


class Answerable(Protocol):
    """A query, and what answers it."""

    @property
    def contract(self) -> Contract:
        """The query's contract."""
        ...

    def answer(self, query: bytes, context: ReadContext, reads: TableReads) -> Answer:
        """Answer this query string for a principal who may ask it."""
        ...


class Queries:
    """Answers the queries of a project."""

    def __init__(self, answers: Sequence[Answerable], reads: TableReads, topics: Collection[str] | None = None) -> None:
        by_name = {each.contract.name: each for each in answers}
        self._named = NameResolver("query", by_name, "GET /openapi.json lists them")
        self._reads = reads
        self._topics = topics

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        return [Route(PATH + "{name}", self.query)]

    def is_public(self, path: str) -> bool:
        """Whether a path, percent-encoded as it came, names a query that anonymous callers may ask."""
        if not path.startswith(PATH):
            return False
        try:
            return self._named.find(unquote(path.removeprefix(PATH))).contract.public
        except HttpProblem:
            return False

    def query(self, request: Request) -> Answer:
        """GET /queries/{name}: the answer to a query, by its full name or a short one that is its own."""
        found, principal = self._named.find(path_parameter(request, "name")), principal_of(request)
        if lacking := found.contract.requires - principal.scopes:
            require(principal, min(lacking))
        if refused := refusal(found.contract, principal.actor, principal.scopes):
            raise HttpProblem(problem_types.FORBIDDEN, refused.reason)
        return found.answer(query_string(request), self._reads.context(request, self._topics), self._reads)


class FromRow:
    """A query that a table answers by the one row whose key it holds."""

    def __init__(self, plan: QueryPlan, table: QueryableTable, visible: RowFilter | None = None) -> None:
        self.contract = plan.query
        self._plan = plan
        self._table = table
        self._visible = visible
        self._read = parameter_reader(plan.query)
        self._names = tuple(plan.query.fields)
        row = plan.rows.row
        self._absent = HttpProblem(problem_types.NOT_FOUND, f"no {row.short} has this {' and '.join(row.key)}")

    def answer(self, query: bytes, context: ReadContext, reads: TableReads) -> Answer:
        """Answer by the row, 404 where there is none that the principal may see."""
        row = self._plan.rows.row
        values = self._read(parameters(query, self._names))
        try:
            key = self._table.checked(self._plan.key(values))
        except UnkeyableError as error:
            raise bad_parameter(", ".join(row.key), str(error)) from None
        return reads.row(context, self._table, key, self._absent, self._seen_by(context.principal))

    def _seen_by(self, principal: Principal) -> Callable[[Message], bool] | None:
        visible, rows = self._visible, self._plan.rows
        return None if visible is None else lambda row: may_see(rows, row, required_of(visible, principal))


class FromRows:
    """A query that a table answers by a list."""

    def __init__(
        self, plan: QueryPlan, query: type[Query], table: QueryableTable, visible: RowFilter | None = None
    ) -> None:
        self.contract = plan.query
        self._table = table
        self._visible = visible
        self._lists = Lists(plan.query.name, PATH + plan.query.name, plan, defaults_of(query))

    def answer(self, query: bytes, context: ReadContext, reads: TableReads) -> Answer:
        """Answer by those rows that the principal may see."""
        listing = self._lists.read(query)
        restrict = None if self._visible is None else partial(self._restrict, self._visible, context.principal)
        return reads.rows(context, self._table, {"query": self.contract.name}, listing, restrict)

    def _restrict(self, visible: RowFilter, principal: Principal) -> Sequence[Condition]:
        return seen_by(self._lists.plan.rows, required_of(visible, principal))


def required_of(visible: RowFilter | None, principal: Principal) -> Mapping[str, Any] | None:
    """Return what rows must have that the principal may see, None where that is none of them.

    Nobody known has no name: a rule made of it must not find the rows that have none in that field.
    """
    if visible is None:
        return {}
    seen = visible(principal)
    nameless = not principal.actor and any(value == "" for value in seen.values() if isinstance(value, str))
    return None if nameless else seen
