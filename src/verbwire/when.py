"""When something is to be done later: at a time, or after a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from verbwire.errors import ContractError

MOST_AHEAD = timedelta(days=400)
"""How far ahead a command may be due; a schedule does what lies further."""


def require_when(at: datetime | None, after: timedelta | None) -> None:
    """Raise :class:`ContractError` unless exactly one of both is given: a time with its zone, or up to 400 days."""
    if (at is None) == (after is None):
        raise ContractError("say either at=, a time, or after=, how long from now")
    if at is not None and at.tzinfo is None:
        raise ContractError(f"at={at!r} has no time zone: write datetime(..., tzinfo=UTC)")
    if after is not None and not timedelta(0) <= after <= MOST_AHEAD:
        raise ContractError(f"after={after!r}: use 0 to {MOST_AHEAD.days} days")
