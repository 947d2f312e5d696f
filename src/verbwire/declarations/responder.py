"""A responder: answers queries by a function, where no table is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from verbwire.declarations.handlers import Handler, add_handler, read_handler
from verbwire.messages import Kind, Query
from verbwire.names import require_dotted

Q = TypeVar("Q", bound=Query)


class Responder:
    """Answers queries at once, from the query alone: a form's check, a price, a conversion. It stores nothing.

    It is no consumer group: every worker of the project answers over HTTP.
    """

    def __init__(self, name: str) -> None:
        self.name = require_dotted(name, "responder")
        self.handlers: dict[type[Query], Handler] = {}

    def answers(self, function: Callable[[Q], Any] | Callable[..., Any]) -> Callable[..., Any]:
        """Register the answer to a query: ``(query) -> reply``, or ``(query, asker) -> reply``."""
        handler = read_handler(function, Kind.QUERY, 0, "(query: YourQuery)", takes=1, extra="asker")
        add_handler(self.handlers, handler, Query)
        return function
