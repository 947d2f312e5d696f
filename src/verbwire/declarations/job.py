"""A job: the one receiver of commands whose work is long, or has side effects."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar, overload

from verbwire.declarations.effect_context import JobContext
from verbwire.declarations.handlers import Handler, add_handler, read_handler
from verbwire.declarations.sends import require_messages, require_scopes
from verbwire.errors import ContractError
from verbwire.messages import Command, Event, Kind, Rejected, Reply
from verbwire.names import require_dotted

C = TypeVar("C", bound=Command)
N = TypeVar("N", bound="Reply | Rejected | Coroutine[Any, Any, Reply | Rejected | None] | None")


class Job:
    """Does the commands of one namespace, each at least once, for as long as it takes.

    A command is done by one worker; when that one dies in the midst of it another begins it again, with the same
    `context.idempotency_key`. A handler that raises is tried again like a subscriber's, then the command goes to the
    dead letters. What it came to is its outcome, unless its contract says ``"response": "none"``: accepted, with the
    reply that the contract names where the handler returns one, or the `Rejected` that it returns; failed, once it is a
    dead letter; expired, or rejected before any handler. The work may be done twice, the outcome is one: it is in the
    outcome log before the command counts as done, and an id that has one is not done again.

    On a stop the command in hand is requeued: `context.stopping` becomes true, and a handler that returns by raising
    `context.requeue()` leaves its command for another worker. `sends`, `publishes` and `scopes` are as in
    :class:`~verbwire.Subscriber`.
    """

    def __init__(
        self,
        namespace: str,
        *,
        concurrency: int = 1,
        retries: int = 2,
        backoff: timedelta = timedelta(seconds=1),
        scopes: Sequence[str] = (),
        sends: Sequence[type[Command]] = (),
        publishes: Sequence[type[Event]] = (),
    ) -> None:
        self.namespace = require_dotted(namespace, "job")
        self.group = f"{namespace}.job"
        if concurrency < 1 or retries < 0 or backoff < timedelta(0):
            raise ContractError(f"job {namespace}: concurrency is 1 or more, retries and backoff are not negative")
        self.concurrency = concurrency
        self.retries = retries
        self.backoff = backoff
        self.scopes = require_scopes(self.group, scopes)  # of the commands that its handlers send
        self.sends, self.publishes = require_messages(self.group, sends, publishes)
        self.handlers: dict[type[Command], Handler] = {}

    @overload
    def handles(self, function: Callable[[C], N]) -> Callable[[C], N]: ...
    @overload
    def handles(self, function: Callable[[C, JobContext], N]) -> Callable[[C, JobContext], N]: ...
    def handles(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the one handler of a command: ``(command)`` or ``(command, context)``; it may be asynchronous.

        It returns nothing, the reply that the command's contract names, or a :class:`Rejected`.
        """
        handler = read_handler(function, Kind.COMMAND, 0, "(command: YourCommand)", takes=1, may_wait=True)
        add_handler(self.handlers, handler, Command, self.namespace)
        return function
