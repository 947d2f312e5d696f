"""Checks that each query of a project is answered once, by a table or responder that it fits."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.declarations.handlers import Handler
from verbwire.declarations.responder import Responder
from verbwire.declarations.rows import Rows
from verbwire.declarations.table import Table
from verbwire.errors import ContractError
from verbwire.messages import Kind, Query
from verbwire.queries.plan import QueryableRow, QueryPlan, plan_query

UNANSWERED = "unanswered-query"


def rows_of(catalog: Catalog, table: Table[Any]) -> QueryableRow:
    """Return what queries have to know of a table; ContractError for an index or a search without sense."""
    return QueryableRow.of(table.group, catalog.of(table.row), table.index, table.search)


def table_plans(catalog: Catalog, table: Table[Any]) -> dict[type[Query], QueryPlan]:
    """Return the plans of a table's queries; ContractError for the first that does not fit."""
    rows = rows_of(catalog, table)
    return {query: plan_query(catalog.of(query), rows) for query in table.answers}


def check_queries(catalog: Catalog, tables: Sequence[Table[Any]], responders: Sequence[Responder]) -> list[Finding]:
    """Check queries against the tables and responders that answer them.

    Codes of errors: ``query``, which is also refused when a worker starts, ``answered-twice`` and
    ``unanswered-query``.
    """
    return [
        *_misfits(catalog, tables),
        *_responders(catalog, responders),
        *_answered(catalog, tables, responders),
    ]


def require_queries(catalog: Catalog, tables: Sequence[Table[Any]], responders: Sequence[Responder]) -> None:
    """Raise :class:`ContractError` where a query cannot be answered as it is declared; one without answer may be."""
    findings = check_queries(catalog, tables, responders)
    if wrong := [f"{each.file}: {each.message}" for each in findings if each.code != UNANSWERED]:
        raise ContractError("\n".join(wrong))


def _misfits(catalog: Catalog, tables: Sequence[Table[Any]]) -> Iterator[Finding]:
    for table in tables:
        try:
            rows = rows_of(catalog, table)
        except ContractError as error:
            yield Finding.at("query", Severity.ERROR, table.group, str(error))
            continue
        for query in table.answers:
            try:
                plan_query(catalog.of(query), rows)
            except ContractError as error:
                yield Finding.at("query", Severity.ERROR, table.group, str(error))


def _responders(catalog: Catalog, responders: Sequence[Responder]) -> Iterator[Finding]:
    for responder in responders:
        for query, handler in responder.handlers.items():
            try:
                problem = _responder_problem(catalog.of(query), handler)
            except ContractError as error:
                problem = str(error)
            if problem is not None:
                yield Finding.at("query", Severity.ERROR, responder.name, problem)


def _responder_problem(query: Contract, handler: Handler) -> str | None:
    if query.reply is None:
        return f"{query.name} names no reply: say which record answers it"
    paged = handler.takes == 2
    if query.many and not paged:
        return f'{query.name} says "many": let {handler.where} take a `page: PageRequest`, and return Rows(...)'
    if paged and not query.many:
        return f'{handler.where} answers with pages, {query.name} with one reply: say "many": true, or leave `page` out'
    if query.many and "page" in query.fields:
        return f"{query.name}: a responder's list has no numbered pages, `next` goes on: remove the field page"
    returned = typing.get_type_hints(handler.function).get("return")
    wrong = [each for each in _replies(returned, paged) if getattr(each, "__name__", "") not in _reply_names(query)]
    if returned is not None and wrong:
        fitting = "Rows of that" if paged else "that, or None"
        return f"{handler.where} returns {wrong[0]}, {query.name} is answered by {query.reply}: return {fitting}"
    return None


def _replies(annotation: Any, paged: bool) -> tuple[Any, ...]:
    """What a responder says that it replies with; for a list, what it says of its rows."""
    if not paged:
        return _members(annotation)
    if typing.get_origin(annotation) is Rows:
        return tuple(member for each in typing.get_args(annotation) for member in _members(each))
    return () if annotation is Rows else (annotation,)


def _members(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def _reply_names(query: Contract) -> tuple[str, ...]:
    return ((query.reply or "").rpartition(".")[2], "NoneType", "Any")


def _answered(catalog: Catalog, tables: Sequence[Table[Any]], responders: Sequence[Responder]) -> Iterator[Finding]:
    by: dict[str, list[str]] = {contract.name: [] for contract in catalog if contract.kind is Kind.QUERY}
    for name, queries in [(t.group, t.answers) for t in tables] + [(r.name, tuple(r.handlers)) for r in responders]:
        for query in queries:
            by.setdefault(query.__contract__, []).append(name)
    for query_name, names in by.items():
        if len(names) > 1:
            message = f"{query_name} is answered by {' and '.join(names)}: remove all but one"
            yield Finding.at("answered-twice", Severity.ERROR, names[0], message)
        elif not names:
            file = catalog.find(query_name).file
            message = f"no table or responder answers {query_name}: let its table answer it, or write a responder"
            yield Finding.at(UNANSWERED, Severity.ERROR, file, message)
