"""A table filled from events and read over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from verbwire.declarations.handlers import Handler, add_handler, read_handler
from verbwire.declarations.window import Window
from verbwire.errors import ContractError, WrongVerbError
from verbwire.messages import Event, Kind, Query, Row
from verbwire.names import require_dotted
from verbwire.principal import Principal

R = TypeVar("R", bound=Row)
E = TypeVar("E", bound=Event)

Only = Callable[[Principal], Mapping[str, Any]]
"""Which rows somebody may see: the fields that a row must have, and their values; an empty mapping means all."""


@dataclass(frozen=True, slots=True)
class AnsweredQuery:
    """A query that a table answers, and which rows of it each asker may see."""

    query: type[Query]
    only: Only | None = None


class Table(Generic[R]):
    """A projection: for each key the fold of its events, exactly once, in their order.

    `name` is the consumer group's name; its last part is the table's. `index` names the row's fields that queries
    filter and sort on, `search` those whose words a search term is looked for in. With a `window` a row stands under
    its key and the start of a window of event time. A handler that raises stops its partition and says where: a wrong
    row is worse than none.
    """

    def __init__(
        self,
        name: str,
        *,
        row: type[R],
        index: Sequence[str] = (),
        search: Sequence[str] = (),
        window: Window | None = None,
    ) -> None:
        self.group = require_dotted(name, "table")
        self.table = name.rpartition(".")[2]
        self.row = row
        self.index = tuple(index)
        self.search = tuple(search)
        self.window = window
        self.handlers: dict[type[Event], Handler] = {}
        self.keys: dict[type[Event], Handler] = {}  # events that stand under another key here than in their topic
        self.queries: dict[type[Query], AnsweredQuery] = {}
        for field in (*self.index, *self.search):
            if field not in row.__struct_fields__:
                raise ContractError(f"table {name}: field {field!r} is no field of {row.__name__}")

    def on(self, function: Callable[[R | None, E], R | None] | Callable[..., R | None]) -> Callable[..., R | None]:
        """Register what an event does to the row under its key: ``(row | None, event) -> row | None``; None deletes."""
        handler = read_handler(function, Kind.EVENT, 1, "(row: YourRow | None, event: YourEvent)")
        add_handler(self.handlers, handler, Event)
        return function

    def rekeys(self, function: Callable[[E], Any]) -> Callable[..., Any]:
        """Register under which key an event counts here: ``(event) -> key | None``; None: not in this table.

        The events travel through a topic of the table's own, in the transaction that reads them, so each still counts
        exactly once. Events of one old key keep their order under the new one.
        """
        handler = read_handler(function, Kind.EVENT, 0, "(event: YourEvent)", takes=1)
        add_handler(self.keys, handler, Event)
        return function

    def answers(self, query: type[Query], *, only: Only | None = None) -> None:
        """Let this table answer a query; `only` says which rows somebody may see.

        A query whose contract says ``"many": true`` is answered by a list, any other by the one row under its key.
        """
        if not (isinstance(query, type) and issubclass(query, Query) and query.__contract__):
            raise WrongVerbError(f"table {self.group} answers queries: {query!r} is none")
        if query in self.queries:
            raise ContractError(f"table {self.group} answers {query.__name__} already")
        self.queries[query] = AnsweredQuery(query, only)

    @property
    def sources(self) -> list[str]:
        """The namespaces whose events it hears."""
        return sorted({event.__contract__.rpartition(".")[0] for event in self.handlers})
