"""Who asks a query, as far as it decides what they may see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody known, and what they may do: taken from their credentials, never from the request."""

    actor: str
    scopes: frozenset[str] = frozenset()
