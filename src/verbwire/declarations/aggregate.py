"""The one receiver of a context's commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler, add_handler, read_handler, require_class
from verbwire.messages import Command, Event, Kind, Rejected, Reply, State
from verbwire.names import require_dotted

S = TypeVar("S", bound=State)
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)

Decision = Event | State | Reply | Sequence[Event | State | Reply] | Rejected
"""What a command handler returns: an event, several (or ``[]``: accepted, nothing changed), or a refusal.

Among the events, or alone, may stand the new state, and must stand the reply where the command's contract names one.
"""

D = TypeVar("D", bound=Decision)

STATE = "state"  # the name of an aggregate's table within its group


class Aggregate(Generic[S]):
    """Decides the commands of one namespace, one key at a time, on the state that its own events led to.

    Guarantee: one command id has one effect. State, events and outcome of a command become visible together or
    not at all; the same id with the same payload changes nothing again, another payload under it is refused.
    Handlers are pure functions of command and state; those that want time, actor or ids take a `context`.

    Where events are not what the state is made of, a handler returns the new state beside them (or without any):
    ``return Cart(...), ProductAdded(...)``. Their appliers are not called for that command, and need not be there.

    Every command has its line in the outcome log, which is the aggregate's memory; those whose contract says
    ``"response": "none"`` too, only that nobody is told of it.
    """

    def __init__(self, namespace: str, *, state: type[S]) -> None:
        self.namespace = require_dotted(namespace, "aggregate")
        self.group = f"{namespace}.aggregate"
        self.state = require_class(state, State, f"aggregate {namespace}")
        self.handlers: dict[type[Command], Handler] = {}
        self.appliers: dict[type[Event], Handler] = {}

    @overload
    def handles(self, function: Callable[[C, S | None], D]) -> Callable[[C, S | None], D]: ...
    @overload
    def handles(self, function: Callable[[C, S | None, Context], D]) -> Callable[[C, S | None, Context], D]: ...
    def handles(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the one handler of a command: ``(command, state) -> events, state, reply | Rejected``."""
        handler = read_handler(function, Kind.COMMAND, 0, "(command: YourCommand, state: YourState | None)")
        add_handler(self.handlers, handler, Command, self.namespace)
        return function

    @overload
    def applies(self, function: Callable[[S | None, E], S]) -> Callable[[S | None, E], S]: ...
    @overload
    def applies(self, function: Callable[[S, E], S]) -> Callable[[S, E], S]: ...
    @overload
    def applies(self, function: Callable[[S | None, E, Context], S]) -> Callable[[S | None, E, Context], S]: ...
    @overload
    def applies(self, function: Callable[[S, E, Context], S]) -> Callable[[S, E, Context], S]: ...
    def applies(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register how an event changes the state: ``(state | None, event) -> state``."""
        handler = read_handler(function, Kind.EVENT, 1, "(state: YourState | None, event: YourEvent)")
        add_handler(self.appliers, handler, Event)
        return function
