"""The principal: on whose behalf a command is sent or a query asked, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, init=False)
class Principal:
    """An actor and their scopes: taken from credentials or settings, never from a message or a request.

    An empty actor is nobody in particular: an anonymous caller, where a contract is public. `TypeError` for scopes that
    are one text: its letters would be taken for them.
    """

    actor: str
    scopes: frozenset[str]

    def __init__(self, actor: str = "", scopes: Iterable[str] = ()) -> None:
        if isinstance(scopes, str):
            raise TypeError(f"scopes are a list of texts, not {scopes!r}: write [{scopes!r}]")
        object.__setattr__(self, "actor", actor)
        object.__setattr__(self, "scopes", frozenset(scopes))


NOBODY = Principal()
"""An anonymous caller; only public contracts take anything of it."""
