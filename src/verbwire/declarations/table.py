"""A table filled from events and read over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from verbwire.declarations.handlers import Handler, read_handler
from verbwire.errors import ContractError
from verbwire.messages import Event, Kind, Row
from verbwire.names import require_dotted

R = TypeVar("R", bound=Row)
E = TypeVar("E", bound=Event)


class Table(Generic[R]):
    """A projection: for each key the fold of its events, exactly once, in their order.

    `name` is the consumer group's name; its last part is the table's. `index` names the row's fields that queries
    filter and sort on. A handler that raises stops its partition and says where: a wrong row is worse than none.
    """

    def __init__(self, name: str, *, row: type[R], index: Sequence[str] = ()) -> None:
        self.group = require_dotted(name, "table")
        self.table = name.rpartition(".")[2]
        self.row = row
        self.index = tuple(index)
        self.handlers: dict[type[Event], Handler] = {}
        for field in self.index:
            if field not in row.__struct_fields__:
                raise ContractError(f"table {name}: index field {field!r} is no field of {row.__name__}")

    def on(self, function: Callable[[R | None, E], R | None] | Callable[..., R | None]) -> Callable[..., R | None]:
        """Register what an event does to the row under its key: ``(row | None, event) -> row | None``; None deletes."""
        handler = read_handler(function, Kind.EVENT, 1, "(row: YourRow | None, event: YourEvent)")
        event = handler.message
        assert issubclass(event, Event)  # noqa: S101 (read_handler has refused every other kind)
        if event in self.handlers:
            raise ContractError(
                f"{handler.where}: {event.__name__} has a handler already, {self.handlers[event].where}"
            )
        self.handlers[event] = handler
        return function

    @property
    def sources(self) -> list[str]:
        """The namespaces whose events it hears."""
        return sorted({event.__contract__.rpartition(".")[0] for event in self.handlers})
