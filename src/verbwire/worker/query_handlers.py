"""The queries that a worker answers: those of the tables it hosts, and all that responders answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from verbwire.contracts.schema.model import Catalog, Contract, SharedType
from verbwire.declarations.responder import Responder
from verbwire.declarations.table import RowFilter
from verbwire.errors import ContractError
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.http.tables.queries import Answerable, FromRow, FromRows
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.responders import FromResponder, ListFromResponder, ResponderCalls
from verbwire.observability.watch.handlers import EngineStep, HandlerWatch
from verbwire.project import Project
from verbwire.queries.check import table_plans


def query_handlers(
    project: Project, tables: Iterable[QueryableTable], watched: Callable[[str], HandlerWatch], loop: HandlerLoop
) -> list[Answerable]:
    """Return how each query is answered here; ContractError for one that is declared without sense.

    `watched` gives the watch over the functions of a table or a responder, by its name; asynchronous ones run in the
    `loop`.
    """
    here = {table.name: table for table in tables}
    responders = [
        each
        for responder in project.responders
        for each in _from_responder(
            project.catalog, responder, ResponderCalls(responder, watched(responder.name), loop)
        )
    ]
    return [*_from_tables(project, here, watched), *responders]


def _from_tables(
    project: Project, here: dict[str, QueryableTable], watched: Callable[[str], HandlerWatch]
) -> Iterator[Answerable]:
    for declared in project.tables:
        table = here.get(declared.group)
        if table is None:
            continue
        for query, plan in table_plans(project.catalog, declared).items():
            visible = declared.row_filter
            if visible is not None:
                visible = _watched(visible, watched(plan.query.name), plan.query.name)
            yield FromRows(plan, query, table, visible) if plan.many else FromRow(plan, table, visible)


def _watched(visible: RowFilter, watch: HandlerWatch, query: str) -> RowFilter:
    step = EngineStep(f"visible {getattr(visible, '__qualname__', type(visible).__name__)}")
    return lambda principal: watch.call(step, query, lambda: visible(principal))


def _from_responder(catalog: Catalog, responder: Responder, calls: ResponderCalls) -> Iterator[Answerable]:
    for query, handler in responder.handlers.items():
        contract = catalog.of(query)
        answers = ListFromResponder if contract.many else FromResponder
        yield answers(contract, _reply(catalog, contract), handler, calls)


def _reply(catalog: Catalog, query: Contract) -> Contract | SharedType:
    found = catalog.contracts.get(query.reply or "") or catalog.types.get(query.reply or "")
    if found is None:
        raise ContractError(f"{query.name} names no reply: say which record answers it")
    return found
