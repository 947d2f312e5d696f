"""Commands of processes that are good for a while: what the receiver comes to later has expired."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from verbwire.declarations.later import Later
from verbwire.declarations.tagged import Tagged
from verbwire.errors import ContractError
from verbwire.messages import Command

_MILLISECOND = timedelta(milliseconds=1)
_LONGEST = timedelta(seconds=10**9)


class Expiring(msgspec.Struct, frozen=True):
    """A command of a process with a time to live; :func:`expiring` makes it."""

    ttl: timedelta
    command: Command | Tagged | Later

    def __post_init__(self) -> None:
        if not timedelta(0) < self.ttl <= _LONGEST:
            raise ContractError(f"expiring({self.ttl!r}, ...): use a time of more than nothing, and 30 years at most")

    @property
    def ttl_ms(self) -> int:
        """The time to live in milliseconds."""
        return max(1, self.ttl // _MILLISECOND)


def expiring(ttl: timedelta, command: Command | Tagged | Later) -> Expiring:
    """Return a command to be sent by a process that is not to be carried out later than `ttl` after it was sent.

    ``return state, expiring(timedelta(minutes=5), DebitBalance(...))``. The time counts from the record's own, which is
    the broker's. Where the receiver comes to it too late its outcome is :class:`~verbwire.Expired`, and nothing was
    done. It goes together with a tag: ``expiring(ttl, tagged("fee", command))``, and with a time, from which it counts:
    ``expiring(ttl, later(command, after=timedelta(days=3)))``.
    """
    return Expiring(ttl, command)
