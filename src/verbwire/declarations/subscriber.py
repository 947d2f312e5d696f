"""A subscriber: one of any number of groups that handle events with side effects."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar, overload

from verbwire.declarations.effect_context import SubscriberContext
from verbwire.declarations.handlers import Handler, add_handler, read_handler
from verbwire.declarations.parking import Parking
from verbwire.declarations.sends import require_messages, require_scopes
from verbwire.errors import ContractError
from verbwire.messages import Command, Event, Kind
from verbwire.names import require_dotted

E = TypeVar("E", bound=Event)
N = TypeVar("N", None, Coroutine[Any, Any, None])


class Subscriber:
    """Handles events in a group of its own, each at least once, one key in order, several keys at a time.

    Side effects live here, so a handler may be called again for the same event after a crash: `context.idempotency_key`
    is the same then. One that raises is tried again, `retries` times, after `backoff`, twice that, four times that;
    then the event goes to the dead letters, unchanged, and the rest flows on: later events of its key, too. With
    `parking` it is parked instead, and with it all later ones of its key, until an operator has them tried again: none
    overtakes. With more of them than that says the partition waits. `sends` and `publishes` list the commands and
    events that its handlers may send; `scopes` is what those commands may do.
    """

    def __init__(
        self,
        name: str,
        *,
        concurrency: int = 8,
        retries: int = 5,
        backoff: timedelta = timedelta(milliseconds=200),
        scopes: Sequence[str] = (),
        sends: Sequence[type[Command]] = (),
        publishes: Sequence[type[Event]] = (),
        parking: Parking | None = None,
    ) -> None:
        self.group = require_dotted(name, "subscriber")
        if concurrency < 1 or retries < 0 or backoff < timedelta(0):
            raise ContractError(f"subscriber {name}: concurrency is 1 or more, retries and backoff are not negative")
        self.concurrency = concurrency
        self.retries = retries
        self.backoff = backoff
        self.parking = parking
        self.scopes = require_scopes(self.group, scopes)  # of the commands that its handlers send
        self.sends, self.publishes = require_messages(self.group, sends, publishes)
        self.handlers: dict[type[Event], Handler] = {}

    @overload
    def on(self, function: Callable[[E], N]) -> Callable[[E], N]: ...
    @overload
    def on(self, function: Callable[[E, SubscriberContext], N]) -> Callable[[E, SubscriberContext], N]: ...
    def on(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the handler of an event: ``(event)`` or ``(event, context)``; it may be asynchronous.

        Then it runs in the one loop of the worker's asynchronous handlers, and must not block it. It counts as one of
        `concurrency` until it is over, and is retried like any other.
        """
        handler = read_handler(function, Kind.EVENT, 0, "(event: YourEvent)", takes=1, may_wait=True)
        add_handler(self.handlers, handler, Event)
        return function

    @property
    def sources(self) -> list[str]:
        """The namespaces of its events."""
        return sorted({event.__contract__.rpartition(".")[0] for event in self.handlers})
