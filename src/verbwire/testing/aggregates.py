"""Hands commands to an aggregate in some state and checks what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.declarations.results import Result, read_result
from verbwire.errors import ContractError
from verbwire.messages import Command, Event, Message, Rejected, Reply, State
from verbwire.testing.answers import refusal, require_declared, require_reply
from verbwire.testing.comparing import CONTEXT, beyond_bounds, fitting, key_in, registered, same, show

S = TypeVar("S", bound=State)
M = TypeVar("M", bound=Message)


def given_events(
    aggregate: Aggregate[S], events: Sequence[Event], state: S | None, catalog: Catalog | None
) -> Given[S]:
    """Return an aggregate in a state to which these events were applied."""
    __tracebackhide__ = True
    state = None if state is None else fitting(state, catalog)
    for event in events:
        state = _apply(aggregate, state, fitting(event, catalog), CONTEXT, catalog)
    return Given(aggregate, state, catalog)


@dataclass(frozen=True)
class Given(Generic[S]):
    """Holds an aggregate in some state, ready for a command."""

    aggregate: Aggregate[S]
    state: S | None
    catalog: Catalog | None = None

    def when(self, command: Command, *, context: Context = CONTEXT) -> Decided[S]:
        """Handle a command; exceptions of handlers and appliers are raised unchanged."""
        __tracebackhide__ = True
        if refused := beyond_bounds(command, self.catalog):
            return Decided(command, self, rejected=refused)
        command = fitting(command, self.catalog)
        key = key_in(command, self.catalog)
        handler = registered(self.aggregate.handlers, command, f"aggregate {self.aggregate.namespace}", "handles")
        result = handler.call(command, self.state, lambda: context)
        if isinstance(result, Rejected):
            require_declared(result, command, self.catalog)
            return Decided(command, self, rejected=result)
        returned = _read(handler, result, self.aggregate)
        events = [fitting(event, self.catalog) for event in returned.events]
        state = self.state if returned.state is None else fitting(cast(S, returned.state), self.catalog)
        for event in events:
            self._require_key(event, key, command)
            if returned.state is None:
                state = _apply(self.aggregate, state, event, context, self.catalog)
        if state is not None:
            self._require_key(state, key, command)
        require_reply(returned.reply, command, self.catalog)
        reply = None if returned.reply is None else fitting(returned.reply, self.catalog)
        return Decided(command, replace(self, state=state), events, reply=reply)

    def _require_key(self, message: Event | S, key: bytes, command: Command) -> None:
        __tracebackhide__ = True
        if key_in(message, self.catalog) != key:
            raise AssertionError(
                f"{show(message)}\nhas another key than its command: give it the same, or order per key is lost\n"
                f"{show(command)}"
            )


@dataclass(frozen=True)
class Decided(Generic[S]):
    """Holds what a command led to. Every `then` returns it, so that checks, and further commands, can follow."""

    command: Command
    after: Given[S]
    events: Sequence[Event] = ()
    rejected: Rejected | None = None
    reply: Reply | None = None

    def when(self, command: Command, *, context: Context = CONTEXT) -> Decided[S]:
        """Hand the aggregate the next command."""
        __tracebackhide__ = True
        return self.after.when(command, context=context)

    def then(self, *events: Event) -> Decided[S]:
        """Check that exactly these events happened, in this order; with none: accepted, and nothing changed."""
        __tracebackhide__ = True
        if self.rejected is not None:
            raise AssertionError(f"{show(self.command)}\nwas rejected: {refusal(self.rejected)}")
        same("events", [self._read(each) for each in events], list(self.events), self.command)
        return self

    def then_rejected(self, code: str, **details: str) -> Decided[S]:
        """Check that it was rejected with this code and, where some are named, with these details among others."""
        __tracebackhide__ = True
        if self.rejected is None:
            happened = "\n".join(map(show, self.events)) or "with no event"
            raise AssertionError(f"{show(self.command)}\nwas accepted, not rejected as {code}:\n{happened}")
        if self.rejected.code != code:
            raise AssertionError(
                f"{show(self.command)}\nwas rejected as another code than {code}: {refusal(self.rejected)}"
            )
        found = {name: value for name, value in self.rejected.details.items() if name in details}
        same("details", [details], [found], self.command)
        return self

    def then_reply(self, reply: Reply) -> Decided[S]:
        """Check the reply that the client gets."""
        __tracebackhide__ = True
        if self.rejected is not None:
            raise AssertionError(f"{show(self.command)}\nwas rejected: {refusal(self.rejected)}")
        same("reply", [self._read(reply)], [self.reply], self.command)
        return self

    def then_state(self, state: S | None) -> Decided[S]:
        """Check the state that the command left behind; a rejected one leaves the state as it was."""
        __tracebackhide__ = True
        same("state", [state and self._read(state)], [self.after.state], self.command)
        return self

    def _read(self, expected: M) -> M:
        """Return a message that the test expects, as it would be read back."""
        return fitting(expected, self.after.catalog)


def _apply(aggregate: Aggregate[S], state: S | None, event: Event, context: Context, catalog: Catalog | None) -> S:
    __tracebackhide__ = True
    handler = registered(aggregate.appliers, event, f"aggregate {aggregate.namespace}", "applies")
    after: S = handler.call(state, event, lambda: context)
    if type(after) is not aggregate.state:
        raise AssertionError(f"{handler.where} returned {after!r}: an applier returns a {aggregate.state.__name__}")
    return fitting(after, catalog)


def _read(handler: Handler, returned: object, aggregate: Aggregate[Any]) -> Result:
    __tracebackhide__ = True
    try:
        return read_result(returned, aggregate.state)
    except ContractError as error:
        raise AssertionError(f"{handler.where} returned {returned!r}: {error}") from error
