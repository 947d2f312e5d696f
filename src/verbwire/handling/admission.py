"""Admits commands before any handler sees them: is the sender allowed, and does the command keep to its bounds?"""

from __future__ import annotations

from collections.abc import Collection

from verbwire.contracts.schema.model import Contract
from verbwire.handling.permission import refusal
from verbwire.messages import FORBIDDEN, ID_REUSED, OUT_OF_BOUNDS, Message, Rejected


def codes_of(contract: Contract) -> tuple[str, ...]:
    """Return every code that a command may be rejected with: its contract's, and verbwire's own."""
    return (*contract.rejections, FORBIDDEN, OUT_OF_BOUNDS, ID_REUSED)


def not_admitted(contract: Contract, command: Message, actor: str | None, scopes: Collection[str]) -> Rejected | None:
    """Return why a command of a sender with these scopes is rejected before its handler; None where it is not."""
    return refusal(contract, actor, scopes) or out_of_bounds(contract, command)


def out_of_bounds(contract: Contract, command: Message) -> Rejected | None:
    """Return the rejection of a command beyond the bounds of its contract; it names the field and never the value."""
    excess = contract.bounds(command) if contract.bounds is not None else None
    return None if excess is None else Rejected(OUT_OF_BOUNDS, excess.reason, excess.details)
