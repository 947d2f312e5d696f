"""Takes apart what a handler returned: an aggregate's events, state and reply, a process's state and commands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from verbwire.declarations.deadline import Deadline
from verbwire.declarations.sent import Sent, unwrapped
from verbwire.errors import ContractError
from verbwire.messages import Accepted, Command, Event, Rejected, Reply, Stored

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
    commands: Sequence[Sent] = ()
    deadlines: Sequence[Deadline] = ()
    answer: Accepted[Any] | Rejected | None = None  # the outcome of the command that it has received


def read_step(
    returned: object, state: type[S], sends: Collection[type[Command]], deadlines: Collection[str] = ()
) -> Step[S]:
    """Take apart what a process's handler returned.

    `state` is the class of its state, `sends` what it may send, `deadlines` the names of those it has a handler for.
    :class:`ContractError` when it is anything else.
    """
    after, parts = (returned[0], returned[1:]) if isinstance(returned, tuple) and returned else (returned, ())
    if after is not None and type(after) is not state:
        raise ContractError(f"a process returns {state.__name__} or None first, not {type(after).__name__}")
    commands, moments, answers = [], [], []
    for each in parts:
        if isinstance(each, Deadline):
            moments.append(_declared(each, deadlines))
        elif isinstance(each, Accepted | Rejected):
            answers.append(each)
        elif type(unwrapped(each).command) in sends:
            commands.append(each)
        else:
            name = type(unwrapped(each).command).__name__
            raise ContractError(f"{name} is not among what this process sends: declare it there")
    if after is None and any(not each.cleared for each in moments):
        raise ContractError("an instance that is over has no deadline: return a state with it, or no Deadline")
    if len(answers) > 1:
        raise ContractError(f"a command has one outcome, here are {answers[0]!r} and {answers[1]!r}")
    return Step(after, commands, moments, answers[0] if answers else None)


def _declared(deadline: Deadline, deadlines: Collection[str]) -> Deadline:
    if deadline.name not in deadlines:
        raise ContractError(f"nothing here decides when {deadline.name!r} is due: add @due({deadline.name!r})")
    return deadline
