"""A responder: answers queries by a function, where no table is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from verbwire.declarations.handlers import Handler, add_handler, read_handler
from verbwire.messages import Kind, Query
from verbwire.names import require_dotted
from verbwire.principal import Principal

Q = TypeVar("Q", bound=Query)
R = TypeVar("R")


class Responder:
    """Answers queries at once, from the query alone: a form's check, a price, a conversion. It stores nothing.

    It is no consumer group: every worker of the project answers over HTTP.
    """

    def __init__(self, name: str) -> None:
        self.name = require_dotted(name, "responder")
        self.handlers: dict[type[Query], Handler] = {}

    @overload
    def answers(self, function: Callable[[Q], R]) -> Callable[[Q], R]: ...
    @overload
    def answers(self, function: Callable[[Q, Principal], R]) -> Callable[[Q, Principal], R]: ...
    def answers(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the answer to a query: ``(query) -> reply``, or ``(query, principal) -> reply``."""
        handler = read_handler(function, Kind.QUERY, 0, "(query: YourQuery)", takes=1, extra="principal")
        add_handler(self.handlers, handler, Query)
        return function
