"""A responder: answers queries by a function, where no table is needed, or something else than a table is asked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar, overload

from verbwire.declarations.handlers import Handler, add_handler, read_handler
from verbwire.declarations.rows import PageRequest, Rows
from verbwire.declarations.table import RowFilter
from verbwire.errors import ContractError
from verbwire.messages import Kind, Page, Query
from verbwire.names import require_dotted
from verbwire.principal import Principal

Q = TypeVar("Q", bound=Query)
R = TypeVar("R")
L = TypeVar("L", bound=Query[Page[Any]])
A = TypeVar("A", bound=Rows[Any] | Coroutine[Any, Any, Rows[Any]])


class Responder:
    """Answers queries from themselves (a form's check, a price), or from a database, a service, a search engine.

    It is no consumer group: every worker of the project answers over HTTP. It changes nothing: a client of verbwire's
    that a function of it sends by refuses (:class:`WrongVerbError`).

    In each worker at most `concurrency` of its calls run at once, plain functions on threads that all responders share,
    asynchronous ones in the one loop of the worker's asynchronous handlers; more of them wait. A call that is not over
    within `timeout`, waiting included, is answered by 503 and cancelled, as far as it is asynchronous.
    A :class:`~verbwire.errors.UnavailableError` that it raises is a 503, too, so that clients ask again; a
    :class:`~verbwire.errors.BadQueryError` is a 400 with its text; anything else a 500, told in the log alone.
    """

    def __init__(self, name: str, *, concurrency: int = 64, timeout: timedelta = timedelta(seconds=30)) -> None:
        self.name = require_dotted(name, "responder")
        if concurrency < 1 or timeout <= timedelta(0):
            raise ContractError(f"responder {name}: concurrency is 1 or more, its timeout is longer than nothing")
        self.concurrency = concurrency
        self.timeout = timeout
        self.handlers: dict[type[Query], Handler] = {}
        self.row_filter: RowFilter | None = None

    @overload
    def answers(self, function: Callable[[Q], R]) -> Callable[[Q], R]: ...
    @overload
    def answers(self, function: Callable[[Q, Principal], R]) -> Callable[[Q, Principal], R]: ...
    @overload
    def answers(self, function: Callable[[L, PageRequest], A]) -> Callable[[L, PageRequest], A]: ...
    @overload
    def answers(
        self, function: Callable[[L, PageRequest, Principal], A]
    ) -> Callable[[L, PageRequest, Principal], A]: ...
    def answers(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the answer to a query: ``(query) -> reply | None``, None being 404.

        To one whose contract says ``"many": true`` it is ``(query, page) -> Rows``. `principal` may be the last
        parameter of either. What the contract bounds has been checked before. The function may be asynchronous.
        """
        parameters = [*inspect.signature(function).parameters]
        takes = 2 if parameters[1:2] == ["page"] else 1
        shape = "(query: YourQuery, page: PageRequest)" if takes == 2 else "(query: YourQuery)"
        handler = read_handler(function, Kind.QUERY, 0, shape, takes=takes, extra="principal", may_wait=True)
        add_handler(self.handlers, handler, Query)
        return function

    @property
    def paged(self) -> list[type[Query]]:
        """The queries that it answers with pages of lists."""
        return [query for query, handler in self.handlers.items() if handler.takes == 2]

    def visible(self, function: RowFilter) -> RowFilter:
        """Register which of its answers a principal may see, whatever its functions return: as tables do.

        ``(principal) -> {"customer_id": ...}``: the fields that an answer must have, and their values. What does not is
        left out of a list, and is otherwise a 404.
        """
        if self.row_filter is not None:
            raise ContractError(f"responder {self.name} has a filter already: make one function of the two")
        self.row_filter = function
        return function
