"""What a command handler returned, taken apart: events, the new state where it is given, the reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verbwire.errors import ContractError
from verbwire.messages import Event, Row

EXPECTED = "return events, the new state, the reply (alone, or several in a tuple; [] changes nothing), or Rejected"


@dataclass(frozen=True, slots=True)
class Result:
    """Of an accepted command."""

    events: Sequence[Event]
    state: Row | None = None  # None: what the events make of the one before
    reply: Row | None = None


def read_result(returned: object, state: type[Row]) -> Result:
    """Take apart what a handler returned for an accepted command; `state` is the class of its aggregate's state.

    :class:`ContractError` when something else is among it, or two states, or two replies.
    """
    if isinstance(returned, Event):
        return Result((returned,))
    events: list[Event] = []
    rows: dict[str, Row] = {}
    for part in returned if isinstance(returned, list | tuple) else (returned,):
        if isinstance(part, Event):
            events.append(part)
        elif isinstance(part, Row):
            what = "state" if type(part) is state else "reply"
            if what in rows:
                raise ContractError(f"a command has one {what}, here are {rows[what]!r} and {part!r}: {EXPECTED}")
            rows[what] = part
        else:
            raise ContractError(f"a command handler does not return {type(part).__name__}: {EXPECTED}")
    return Result(events, rows.get("state"), rows.get("reply"))
