"""Commands that are sent later: when they fall due, by the broker's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from verbwire.declarations.tagged import Tagged
from verbwire.errors import ContractError
from verbwire.messages import Command

MOST_AHEAD = timedelta(days=400)
"""How far ahead something may fall due; a schedule does what lies further."""


class Later(msgspec.Struct, frozen=True):
    """A command that a process sends when its time has come; :func:`later` makes it."""

    command: Command | Tagged
    at: datetime | None
    after: timedelta | None


def later(command: Command | Tagged, *, at: datetime | None = None, after: timedelta | None = None) -> Later:
    """Return a command to be sent `at` a time, or `after` a while from the message that is being handled.

    ``return state, later(RemindCustomer(...), after=timedelta(days=3))``. Its contract says that it is schedulable.
    :class:`~verbwire.errors.ContractError` where both are given, or none,.
    """
    require_time(at, after)
    return Later(command, at, after)


def require_time(at: datetime | None, after: timedelta | None) -> None:
    """Raise :class:`ContractError` unless exactly one of both says when, with a time zone and within bounds."""
    if (at is None) == (after is None):
        raise ContractError("say either at=, a time, or after=, how long from now")
    if at is not None and at.tzinfo is None:
        raise ContractError(f"at={at!r} has no time zone: write datetime(..., tzinfo=UTC)")
    if after is not None and not timedelta(0) <= after <= MOST_AHEAD:
        raise ContractError(f"after={after!r}: use 0 to {MOST_AHEAD.days} days")
