"""What stands around a command that a process's handler returns: a tag, a time to live, when it is delivered."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from verbwire.declarations.expiring import Expiring
from verbwire.declarations.later import Later
from verbwire.declarations.tagged import Tagged
from verbwire.messages import Command

Sent: TypeAlias = Command | Tagged | Later | Expiring
"""A command as a handler returns it."""


class Sending(NamedTuple):
    """A command, and how it is sent."""

    command: Command
    tag: str | None = None
    ttl_ms: int | None = None
    later: Later | None = None


def unwrapped(what: Sent) -> Sending:
    """Return the command with all that was said of it."""
    ttl, later = None, None
    if isinstance(what, Expiring):
        ttl, what = what.ttl_ms, what.command
    if isinstance(what, Later):
        later, what = what, what.command
    if isinstance(what, Tagged):
        return Sending(what.command, what.tag, ttl, later)
    return Sending(what, None, ttl, later)
