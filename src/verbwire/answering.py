"""Knows whether this thread, or task, answers a query at the moment: then nothing may be written.

A query changes nothing. Whoever answers one by a function of users says so here, and whoever sends looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from verbwire.errors import WrongVerbError

_QUERY: ContextVar[str | None] = ContextVar("query", default=None)


@contextmanager
def answering(query: str) -> Iterator[None]:
    """Say that what runs in the block answers this query."""
    token = _QUERY.set(query)
    try:
        yield
    finally:
        _QUERY.reset(token)


def require_no_query(verb: str) -> None:
    """Raise :class:`WrongVerbError` where what would be sent, or published, is sent by the answer to a query."""
    query = _QUERY.get()
    if query is not None:
        raise WrongVerbError(f"{query} is a query, which changes nothing: its responder cannot {verb}; send a command")
