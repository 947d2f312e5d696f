"""The principal of a request: an actor and its scopes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """An actor and its scopes, taken from credentials, never from the request.

    Where a query is public the principal may be anonymous: the actor is empty then, and there are no scopes.
    """

    actor: str
    scopes: frozenset[str] = frozenset()
