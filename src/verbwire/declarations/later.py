"""Commands that a process sends for later."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from verbwire.declarations.tagged import Tagged
from verbwire.messages import Command
from verbwire.when import require_when


class Later(msgspec.Struct, frozen=True):
    """A command that a process sends for later; :func:`later` makes it."""

    command: Command | Tagged
    at: datetime | None
    after: timedelta | None


def later(command: Command | Tagged, *, at: datetime | None = None, after: timedelta | None = None) -> Later:
    """Return a command to be delivered `at` a time, or `after` a while: from the message that is being handled on.

    ``return state, later(RemindCustomer(...), after=timedelta(days=3))``. The command's contract says that it is
    schedulable, which `verbwire check` sees to. :class:`~verbwire.errors.ContractError` unless exactly one of both is
    given, a time with its zone, or up to 400 days.
    """
    require_when(at, after)
    return Later(command, at, after)
