"""Tests without a broker: single handlers by given, when, then; a whole project by :class:`InMemory`.

::

    given(carts, product_added).when(CheckOutCart(...)).then(CartCheckedOut(...))
    given(carts).when(CheckOutCart(...)).then_rejected("empty_cart")
    given(orders).when(PlaceOrder(...)).then(OrderPlaced(...)).then_reply(OrderReceipt(...))
    given(checkout).when(CartCheckedOut(...)).then(PlaceOrder(...)).when(Accepted(), of=PlaceOrder).then()
    assert effects_of(fraud, OrderPlaced(...)) == [CancelOrder(...)]
    assert fold(sales, OrderPlaced(...), OrderPlaced(...)) == SalesRow(...)

    with InMemory(load_project(), actor="17850", scopes=["orders:write"]) as shop:
        assert shop.ask(PlaceOrder(...)) == Accepted(reply=OrderReceipt(...))
        assert shop.row(orders, "7") == OrderRow(...)

The kit runs the same handlers and appliers as the engine, in the same order. With a `catalog` it also holds every
message against its contract: declared rejections, the reply, the command's key on each event and on the state, fields
that fit their schema.
It does not check permissions: receivers do, before any handler is called. `InMemory` runs these receivers, too.
In the source, read `aggregates` first, then `memory`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeVar, overload

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.process import Process
from verbwire.messages import Event, State
from verbwire.testing.aggregates import Decided, Given, given_events
from verbwire.testing.comparing import CONTEXT, encoded
from verbwire.testing.effects import effects_of
from verbwire.testing.processes import ProcessInstance, ProcessStep
from verbwire.testing.tables import fold

if TYPE_CHECKING:
    from verbwire.testing.memory.client import MemoryClient
    from verbwire.testing.memory.history import CommandOutcome, LetterInMemory
    from verbwire.testing.memory.in_memory import InMemory
    from verbwire.testing.memory.parked import GroupStoppedError, RecordParkedError
    from verbwire.testing.memory.parked_key import ParkedInMemory
    from verbwire.testing.memory.rebuilt import RebuiltTable
    from verbwire.testing.running import RunningProject

__all__ = [
    "CONTEXT",
    "CommandOutcome",
    "Decided",
    "Given",
    "GroupStoppedError",
    "InMemory",
    "LetterInMemory",
    "MemoryClient",
    "ParkedInMemory",
    "ProcessInstance",
    "ProcessStep",
    "RebuiltTable",
    "RecordParkedError",
    "RunningProject",
    "effects_of",
    "encoded",
    "fold",
    "given",
]

S = TypeVar("S", bound=State)


@overload
def given(
    declared: Aggregate[S], *events: Event, state: S | None = None, catalog: Catalog | None = None
) -> Given[S]: ...
@overload
def given(
    declared: Process[S], *events: Event, state: S | None = None, catalog: Catalog | None = None
) -> ProcessInstance[S]: ...
def given(
    declared: Aggregate[Any] | Process[Any], *events: Event, state: Any = None, catalog: Catalog | None = None
) -> Given[Any] | ProcessInstance[Any]:
    """Return an aggregate, or an instance of a process, in a state (by default: new), ready for `when`.

    The events are applied to it first; the commands that a process sends because of them are not part of the test.
    """
    __tracebackhide__ = True
    if isinstance(declared, Aggregate):
        return given_events(declared, events, state, catalog)
    instance = ProcessInstance(declared, state, catalog)
    for event in events:
        instance = instance.when(event).after
    return instance


_LATER = {
    "CommandOutcome": "memory.history",
    "GroupStoppedError": "memory.parked",
    "InMemory": "memory.in_memory",
    "LetterInMemory": "memory.history",
    "MemoryClient": "memory.client",
    "ParkedInMemory": "memory.parked_key",
    "RebuiltTable": "memory.rebuilt",
    "RecordParkedError": "memory.parked",
    "RunningProject": "running",
}


def __getattr__(name: str) -> Any:
    """Import what runs a project when it is first asked for: who tests a handler need not wait for the engine."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"verbwire.testing.{_LATER[name]}"), name)
