"""A table filled from events and read over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler, add_handler, read_handler, require_class
from verbwire.declarations.parking import PARKING, Parking
from verbwire.declarations.window import Window
from verbwire.errors import ContractError, WrongVerbError
from verbwire.messages import Event, Kind, Query, Row
from verbwire.names import require_dotted
from verbwire.principal import Principal

R = TypeVar("R", bound=Row)
E = TypeVar("E", bound=Event)

K = TypeVar("K")
F = TypeVar("F", bound=Row | None)

RowFilter = Callable[[Principal], Mapping[str, Any]]
"""Which rows a principal may see: the fields that a row must have, and their values; an empty mapping means all."""


class Table(Generic[R]):
    """A projection: for each key the fold of its events, exactly once, in their order.

    `name` is the consumer group's name; its last part is the table's. `answers` lists the queries that it answers: one
    whose contract says ``"many": true`` by a list, any other by the one row under its key. `index` names the row's
    fields that queries filter and sort on, `search` those whose words a search term is looked for in. With a `window` a
    row stands under its key and the start of a window of event time. Where a handler raises its record is parked, and
    with it all later ones of that row, until an operator has them tried again: a wrong row is worse than none. With
    more of them than `parking` says, or without it (None), the partition stops, and says where.
    """

    def __init__(
        self,
        name: str,
        *,
        row: type[R],
        answers: Sequence[type[Query]] = (),
        index: Sequence[str] = (),
        search: Sequence[str] = (),
        window: Window | None = None,
        parking: Parking | None = PARKING,
    ) -> None:
        self.group = require_dotted(name, "table")
        self.table = name.rpartition(".")[2]
        self.row = require_class(row, Row, f"table {name}")
        self.answers = tuple(answers)
        self.index = tuple(index)
        self.search = tuple(search)
        self.window = window
        self.parking = parking
        self.handlers: dict[type[Event], Handler] = {}
        self.keys: dict[type[Event], Handler] = {}  # events that stand under another key here than in their topic
        self.row_filter: RowFilter | None = None  # of what its queries show
        for field in (*self.index, *self.search):
            if field not in row.__struct_fields__:
                raise ContractError(f"table {name}: field {field!r} is no field of {row.__name__}")
        for query in self.answers:
            if not (isinstance(query, type) and issubclass(query, Query) and query.__contract__):
                raise WrongVerbError(f"table {name} answers queries: {query!r} is none")
            if self.answers.count(query) > 1:
                raise ContractError(f"table {name} answers {query.__name__} twice: name it once")

    @overload
    def on(self, function: Callable[[R | None, E], F]) -> Callable[[R | None, E], F]: ...
    @overload
    def on(self, function: Callable[[R, E], F]) -> Callable[[R, E], F]: ...
    @overload
    def on(self, function: Callable[[R | None, E, Context], F]) -> Callable[[R | None, E, Context], F]: ...
    @overload
    def on(self, function: Callable[[R, E, Context], F]) -> Callable[[R, E, Context], F]: ...
    def on(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the handler of an event: ``(row | None, event) -> row | None``; None deletes."""
        handler = read_handler(function, Kind.EVENT, 1, "(row: YourRow | None, event: YourEvent)")
        add_handler(self.handlers, handler, Event)
        return function

    @overload
    def rekeys(self, function: Callable[[E], K]) -> Callable[[E], K]: ...
    @overload
    def rekeys(self, function: Callable[[E, Context], K]) -> Callable[[E, Context], K]: ...
    def rekeys(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the key under which an event counts here: ``(event) -> key | None``; None: not in this table.

        The events travel through a topic of the table's own, in the transaction that reads them, so each still counts
        exactly once. Events of one old key keep their order under the new one.
        """
        handler = read_handler(function, Kind.EVENT, 0, "(event: YourEvent)", takes=1)
        add_handler(self.keys, handler, Event)
        return function

    def visible(self, function: RowFilter) -> RowFilter:
        """Register which rows a principal may see, by whatever query: ``(principal) -> {"customer_id": ...}``.

        Without it everybody who may ask a query sees all rows. A principal that is not known has no name, and never
        sees the rows that have none in that field.
        """
        if self.row_filter is not None:
            raise ContractError(f"table {self.group} has a filter of its rows already: make one function of the two")
        self.row_filter = function
        return function

    @property
    def sources(self) -> list[str]:
        """The namespaces of its events."""
        return sorted({event.__contract__.rpartition(".")[0] for event in self.handlers})
