"""Takes apart what a handler returned: an aggregate's events, state and reply, a process's state and commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from verbwire.declarations.tagged import Tagged
from verbwire.errors import ContractError
from verbwire.messages import Command, Event, Reply, Stored

S = TypeVar("S", bound=Stored)
M = TypeVar("M")

EXPECTED = "return events, the new state, the reply (alone, or several in a tuple; [] changes nothing), or Rejected"


class Result(NamedTuple):
    """The result of an accepted command."""

    events: Sequence[Event]
    state: Stored | None = None  # None: what the events make of the one before
    reply: Reply | None = None


def read_result(returned: object, state: type[Stored]) -> Result:
    """Take apart what a handler returned for an accepted command; `state` is the class of its aggregate's state.

    :class:`ContractError` when something else is among it, or two states, or two replies.
    """
    if isinstance(returned, Event):
        return Result((returned,))
    events: list[Event] = []
    states: list[Stored] = []
    replies: list[Reply] = []
    for part in returned if isinstance(returned, list | tuple) else (returned,):
        if isinstance(part, Event):
            events.append(part)
        elif type(part) is state:
            states.append(part)
        elif isinstance(part, Reply):
            replies.append(part)
        else:
            raise ContractError(f"a command handler does not return {type(part).__name__}: {EXPECTED}")
    return Result(events, _one("state", states), _one("reply", replies))


def _one(what: str, found: list[M]) -> M | None:
    if len(found) > 1:
        raise ContractError(f"a command has one {what}, here are {found[0]!r} and {found[1]!r}: {EXPECTED}")
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """The result of one message in a process."""

    state: S | None
    commands: Sequence[Command | Tagged] = ()


def read_step(returned: object, state: type[S], sends: Sequence[type[Command]]) -> Step[S]:
    """Take apart what a process's handler returned; `state` is the class of its state, `sends` what it may send.

    :class:`ContractError` when it is anything else.
    """
    after, commands = (returned[0], returned[1:]) if isinstance(returned, tuple) and returned else (returned, ())
    if after is not None and type(after) is not state:
        raise ContractError(f"a process returns {state.__name__} or None first, not {type(after).__name__}")
    for each in commands:
        command = each.command if isinstance(each, Tagged) else each
        if type(command) not in sends:
            raise ContractError(f"{type(command).__name__} is not among what this process sends: declare it there")
    return Step(after, commands)
