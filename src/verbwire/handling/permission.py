"""Decides whether a principal may send a command or query: the same rule everywhere."""

from __future__ import annotations

from collections.abc import Collection

from verbwire.contracts.schema.model import Contract
from verbwire.messages import FORBIDDEN, Rejected


def refusal(contract: Contract, actor: str | None, scopes: Collection[str]) -> Rejected | None:
    """Return why a principal with these scopes is refused; None where it is not.

    A message that requires no scope requires an authenticated principal all the same, unless it is public.
    """
    if missing := contract.requires.difference(scopes):
        return Rejected(FORBIDDEN, f"{contract.short} requires {' '.join(sorted(missing))}")
    if not contract.requires and not contract.public and not actor:
        return Rejected(FORBIDDEN, f"{contract.short} requires an authenticated principal")
    return None
