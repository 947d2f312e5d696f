"""Who asks a query, as far as it decides what they may see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Who it is, and what they may do: taken from their credentials, never from the request.

    Where a query is public it may be nobody known: the actor is empty then, and there are no scopes.
    """

    actor: str
    scopes: frozenset[str] = frozenset()
