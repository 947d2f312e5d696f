"""Runs the handler of a subscriber or a job once, and returns what it sends."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.context import Context
from verbwire.declarations.effect_context import JobContext, SubscriberContext
from verbwire.declarations.job import Job
from verbwire.declarations.requirements import require_permitted
from verbwire.declarations.sends import require_declared
from verbwire.declarations.subscriber import Subscriber
from verbwire.errors import WrongVerbError
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.messages import Command, Event, Kind, Message
from verbwire.testing.comparing import CONTEXT, fitting, registered
from verbwire.when import require_when
from verbwire.wire.headers import milliseconds


def effects_of(
    group: Subscriber | Job, message: Event | Command, *, catalog: Catalog | None = None, context: Context = CONTEXT
) -> list[Message]:
    """Hand a subscriber its event, or a job its command, and return what it sends and publishes because of it.

    Exceptions of the handler are raised unchanged. `context` holds the facts of the record; the idempotency key is
    ``test``, and a job is never asked to stop.
    """
    __tracebackhide__ = True
    message = fitting(message, catalog)
    handler = registered(group.handlers, message, group.group, "handles" if isinstance(group, Job) else "on")
    sent = _Sent(group, catalog)
    facts: dict[str, Any] = {each.name: getattr(context, each.name) for each in fields(context)}
    more: dict[str, Any] = {"idempotency_key": "test", "attempt": 1, "outbox": sent}
    told = JobContext(**facts, **more, run=sent) if isinstance(group, Job) else SubscriberContext(**facts, **more)
    loop = HandlerLoop()  # its thread starts for what is asynchronous alone
    try:
        loop.settled(handler.call_alone(message, lambda: told))
    finally:
        loop.close()
    return sent.messages


class _Sent:
    """Collects what a handler sends: an outbox, and the run of a job."""

    stopping = False

    def __init__(self, group: Subscriber | Job, catalog: Catalog | None) -> None:
        self.messages: list[Message] = []
        self._group = group
        self._catalog = catalog

    def send(self, command: Command, ttl: float | None = None) -> None:
        milliseconds(ttl)  # raises for what is none
        self._put(Kind.COMMAND, command)

    def send_later(
        self, command: Command, at: datetime | None, after: timedelta | None, ttl: float | None = None
    ) -> None:
        require_when(at, after)
        self.send(command, ttl)

    def publish(self, event: Event) -> None:
        self._put(Kind.EVENT, event)

    def progress(self, done: float, total: float, note: str) -> None:
        """Ignore it: no page shows it."""

    def _put(self, kind: Kind, message: Message) -> None:
        if message.__kind__ != kind:
            raise WrongVerbError(f"{type(message).__name__}: commands are sent, events are published")
        require_declared(self._group.group, message, (*self._group.sends, *self._group.publishes))
        if self._catalog and kind is Kind.COMMAND:
            require_permitted(self._catalog.of(message), self._group.group, self._group.scopes)
        self.messages.append(fitting(message, self._catalog))
