"""Who may have a command carried out, or a query answered: the receiver's decision, the same everywhere."""

from __future__ import annotations

from collections.abc import Collection

from verbwire.contracts.schema.model import Contract
from verbwire.messages import FORBIDDEN, Rejected


def refusal(contract: Contract, actor: str | None, scopes: Collection[str]) -> Rejected | None:
    """Return why somebody with these scopes may not ask this; None when they may.

    What requires nothing has to come from somebody known all the same, unless its contract says that it is public.
    """
    if missing := contract.requires.difference(scopes):
        return Rejected(FORBIDDEN, f"{contract.short} requires {' '.join(sorted(missing))}")
    if not contract.requires and not contract.public and not actor:
        return Rejected(FORBIDDEN, f"{contract.short} has to come from somebody known")
    return None
