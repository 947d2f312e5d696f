"""The states of an aggregate, folded anew from its own events: what a rebuild of it runs."""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.handlers import Handler
from verbwire.errors import RebuildError
from verbwire.messages import Event, Kind, Message, Rejected, Reply, State

_SEVERAL = (list, tuple, collections.abc.Sequence)


@dataclass(frozen=True)
class AggregateFold:
    """Reads the events of an aggregate and applies them; `only_kept`: to states that are there already, to no others.

    It is run beside the aggregate, as a group of a generation of its own.
    """

    aggregate: Aggregate[Any]
    only_kept: bool = False

    table = STATE
    keys: typing.ClassVar[dict[type[Event], Handler]] = {}

    @property
    def group(self) -> str:
        """The aggregate's name as declared."""
        return self.aggregate.group

    @property
    def namespace(self) -> str:
        """The context whose events it reads."""
        return self.aggregate.namespace

    @property
    def row(self) -> type[State]:
        """The state."""
        state: type[State] = self.aggregate.state
        return state


def require_foldable(aggregate: Aggregate[Any], catalog: Catalog) -> None:
    """Raise :class:`RebuildError` where the states of an aggregate are not what its own events make of them."""
    why = next(_reasons(aggregate, catalog), None)
    if why is not None:
        raise RebuildError(
            f"{aggregate.group} cannot be folded anew from its events: {why}. Until then mend a wrong state by a "
            "command"
        )


def _reasons(aggregate: Aggregate[Any], catalog: Catalog) -> Iterator[str]:
    every = {contract.name for contract in catalog.of_namespace(aggregate.namespace, Kind.EVENT)}
    emitted: set[str] = set()
    for handler in aggregate.handlers.values():
        returned = _returned(handler.function)
        if returned is None:
            yield f"what {handler.where} returns is not known: annotate it with the events, the reply and Rejected"
        elif any(issubclass(each, State) for each in returned):
            yield (
                f"{handler.where} may return the state itself, which no event tells: return events, and let a function "
                "with @applies make the state of them"
            )
        else:
            events = [each for each in returned if issubclass(each, Event)]
            emitted |= every if Event in events else {each.__contract__ for each in events}
    applied = {event.__contract__ for event in aggregate.appliers}
    if missing := sorted(emitted - applied):
        yield f"nothing applies {', '.join(missing)}: add a function with @applies for each"
    for handler in aggregate.appliers.values():
        if handler.wants_context:
            yield (
                f"{handler.where} takes a context, which is that of the command: events do not keep it. Put what it "
                "takes from there into the event"
            )


def _returned(function: Callable[..., Any]) -> list[type[Any]] | None:
    """Return the classes in the annotation of what a handler returns; None where it does not tell."""
    try:
        return list(_classes_in(typing.get_type_hints(function)["return"]))
    except (KeyError, NameError, TypeError):
        return None


def _classes_in(annotation: Any) -> Iterator[type[Any]]:
    """Yield them; TypeError for what is none of those that say something."""
    origin, inner = (
        typing.get_origin(annotation),
        [each for each in typing.get_args(annotation) if each not in (..., types.NoneType)],
    )
    if origin in (typing.Union, types.UnionType, *_SEVERAL):
        for each in inner:
            yield from _classes_in(each)
    elif isinstance(annotation, type) and annotation not in (Message, *_SEVERAL) and _says_what(annotation):
        yield annotation
    elif annotation != ():  # an empty tuple is returned, too
        raise TypeError(annotation)


def _says_what(annotation: type[Any]) -> bool:
    return issubclass(annotation, Event | State | Reply | Rejected)
