"""Testing handlers without a broker: what had happened, what is asked, what must come of it.

::

    given(carts, product_added).when(CheckOutCart(...)).then(CartCheckedOut(...))
    given(carts).when(CheckOutCart(...)).then_rejected("empty_cart")
    given(orders).when(PlaceOrder(...)).then(OrderPlaced(...)).then_reply(OrderReceipt(...))

The kit runs the same handlers and appliers as the engine, in the same order. With a `catalog` it also holds every
message against its contract: declared rejections, the reply, the command's key on each event and on the state, fields
that fit their schema.
Permissions are the engine's; it checks a command's `requires` before any handler sees it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

import msgspec

from verbwire.contracts.model import Catalog
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.declarations.results import Result, read_result
from verbwire.declarations.table import Table
from verbwire.errors import ContractError, VerbwireError
from verbwire.messages import Command, Event, Message, Rejected, Row
from verbwire.wire.avro import Encoder
from verbwire.wire.keys import key_of

S = TypeVar("S", bound=Row)
R = TypeVar("R", bound=Row)

CONTEXT = Context(
    id="test",
    time=datetime(2000, 1, 1, tzinfo=UTC),
    actor=None,
    scopes=frozenset(),
    correlation_id="test",
    topic="test",
    partition=0,
    offset=0,
)
"""What handlers are told of the record when a test says nothing else; change it with `dataclasses.replace`."""


def given(aggregate: Aggregate[S], *events: Event, state: S | None = None, catalog: Catalog | None = None) -> Given[S]:
    """Begin with an aggregate in a state (by default nothing is known of the key); then these events happened to it."""
    __tracebackhide__ = True
    for event in events:
        _fits(event, catalog)
        state = _apply(aggregate, state, event, CONTEXT)
    return Given(aggregate, state, catalog)


def fold(table: Table[R], *events: Event, catalog: Catalog | None = None) -> R | None:
    """Return the row that these events, all of one key, add up to; None where the last of them deletes it."""
    __tracebackhide__ = True
    row: R | None = None
    for event in events:
        _fits(event, catalog)
        handler = _registered(table.handlers, event, f"table {table.group}", "on")
        row = handler.call(row, event, lambda: CONTEXT)
        if row is not None:
            _fits(row, catalog)
    return row


@dataclass(frozen=True)
class Given(Generic[S]):
    """An aggregate in some state, ready for a command."""

    aggregate: Aggregate[S]
    state: S | None
    catalog: Catalog | None = None

    def when(self, command: Command, *, context: Context = CONTEXT) -> Decided[S]:
        """Hand it the command; what handlers and appliers raise comes through as it is."""
        __tracebackhide__ = True
        key = _fits(command, self.catalog)
        handler = _registered(self.aggregate.handlers, command, f"aggregate {self.aggregate.namespace}", "handles")
        result = handler.call(command, self.state, lambda: context)
        if isinstance(result, Rejected):
            _require_declared(result, command, self.catalog)
            return Decided(command, self, rejected=result)
        returned = _read(handler, result, self.aggregate)
        state = self.state if returned.state is None else cast(S, returned.state)
        for event in returned.events:
            self._require_key(event, key, command)
            if returned.state is None:
                state = _apply(self.aggregate, state, event, context)
        if state is not None:
            self._require_key(state, key, command)
        _require_reply(returned.reply, command, self.catalog)
        return Decided(command, replace(self, state=state), returned.events, reply=returned.reply)

    def _require_key(self, message: Event | S, key: bytes, command: Command) -> None:
        __tracebackhide__ = True
        if _fits(message, self.catalog) != key:
            raise AssertionError(
                f"{_show(message)}\nhas another key than its command: give it the same, or order per key is lost\n"
                f"{_show(command)}"
            )


@dataclass(frozen=True)
class Decided(Generic[S]):
    """What came of a command. Every `then` returns it, so that checks, and further commands, can follow."""

    command: Command
    after: Given[S]
    events: Sequence[Event] = ()
    rejected: Rejected | None = None
    reply: Row | None = None

    def when(self, command: Command, *, context: Context = CONTEXT) -> Decided[S]:
        """Hand the aggregate the next command."""
        __tracebackhide__ = True
        return self.after.when(command, context=context)

    def then(self, *events: Event) -> Decided[S]:
        """Check that exactly these events happened, in this order; with none: accepted, and nothing changed."""
        __tracebackhide__ = True
        if self.rejected is not None:
            raise AssertionError(f"{_show(self.command)}\nwas rejected: {_refusal(self.rejected)}")
        _same("events", list(events), list(self.events), self.command)
        return self

    def then_rejected(self, code: str, **details: str) -> Decided[S]:
        """Check that it was rejected with this code and, where some are named, with these details among others."""
        __tracebackhide__ = True
        if self.rejected is None:
            happened = "\n".join(map(_show, self.events)) or "with no event"
            raise AssertionError(f"{_show(self.command)}\nwas accepted, not rejected as {code}:\n{happened}")
        if self.rejected.code != code:
            raise AssertionError(
                f"{_show(self.command)}\nwas rejected as another code than {code}: {_refusal(self.rejected)}"
            )
        found = {name: value for name, value in self.rejected.details.items() if name in details}
        _same("details", [details], [found], self.command)
        return self

    def then_reply(self, reply: Row) -> Decided[S]:
        """Check what whoever asked is told."""
        __tracebackhide__ = True
        if self.rejected is not None:
            raise AssertionError(f"{_show(self.command)}\nwas rejected: {_refusal(self.rejected)}")
        _same("reply", [reply], [self.reply], self.command)
        return self

    def then_state(self, state: S | None) -> Decided[S]:
        """Check the state that the command left behind; a rejected one leaves the state as it was."""
        __tracebackhide__ = True
        _same("state", [state], [self.after.state], self.command)
        return self


def _apply(aggregate: Aggregate[S], state: S | None, event: Event, context: Context) -> S:
    __tracebackhide__ = True
    handler = _registered(aggregate.appliers, event, f"aggregate {aggregate.namespace}", "applies")
    after: S = handler.call(state, event, lambda: context)
    if type(after) is not aggregate.state:
        raise AssertionError(f"{handler.where} returned {after!r}: an applier returns a {aggregate.state.__name__}")
    return after


def _registered(handlers: Mapping[Any, Handler], message: Message, owner: str, decorator: str) -> Handler:
    __tracebackhide__ = True
    if type(message) not in handlers:
        raise AssertionError(
            f"{owner} has no function for {type(message).__name__}: write one and decorate it with @....{decorator}"
        )
    return handlers[type(message)]


def _read(handler: Handler, returned: object, aggregate: Aggregate[Any]) -> Result:
    __tracebackhide__ = True
    try:
        return read_result(returned, aggregate.state)
    except ContractError as error:
        raise AssertionError(f"{handler.where} returned {returned!r}: {error}") from error


def _fits(message: Message, catalog: Catalog | None) -> bytes:
    """Hold a message against its contract; return its key. Without a catalog nothing is known, and any key is fine."""
    __tracebackhide__ = True
    if catalog is None:
        return b""
    try:
        contract = catalog.of(message)
        Encoder(contract, 0)(message)
        return key_of(contract, message)
    except VerbwireError as error:
        raise AssertionError(f"{_show(message)}\nis against its contract: {error}") from error


def _require_declared(rejected: Rejected, command: Command, catalog: Catalog | None) -> None:
    __tracebackhide__ = True
    if catalog is None:
        return
    contract = catalog.of(command)
    if rejected.code not in contract.rejections:
        raise AssertionError(
            f"{rejected.code!r} is not among the rejections of {contract.name}: "
            f"add it to {contract.file.name}, or return one of {', '.join(sorted(contract.rejections)) or '(none)'}"
        )


def _require_reply(reply: Row | None, command: Command, catalog: Catalog | None) -> None:
    __tracebackhide__ = True
    if catalog is None:
        return
    wanted, found = catalog.of(command).reply, reply.__contract__ if reply is not None else None
    if found != wanted:
        raise AssertionError(
            f"{_show(command)}\nwas accepted with {found or 'no reply'}: its contract says {wanted or 'none'}"
        )
    if reply is not None:
        _fits(reply, catalog)


def _same(what: str, expected: list[Any], found: list[Any], command: Command) -> None:
    __tracebackhide__ = True
    if expected == found:
        return
    wanted, got = ([line for each in side for line in _show(each).splitlines()] for side in (expected, found))
    difference = difflib.unified_diff(wanted, got, f"expected {what}", f"{what} that came", lineterm="", n=100)
    raise AssertionError(f"{_show(command)}\nled to other {what}:\n" + "\n".join(difference))


def _refusal(rejected: Rejected) -> str:
    return f"{rejected.code} ({rejected.reason})" if rejected.reason else rejected.code


def _show(value: object) -> str:
    """One field a line, so that a difference shows the field and nothing else."""
    if not isinstance(value, msgspec.Struct):
        return repr(value)
    fields = "".join(f"\n    {name}={getattr(value, name)!r}," for name in value.__struct_fields__)
    return f"{type(value).__name__}({fields}\n)"
