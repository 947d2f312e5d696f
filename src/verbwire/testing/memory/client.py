"""A client of a project in memory: the four verbs on somebody's behalf, each over when it returns."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Never, Protocol, TypeVar

from verbwire.answering import require_no_query
from verbwire.client.asking.at_once import require_at_once
from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Position
from verbwire.client.producing.routes import Routes
from verbwire.client.producing.sender import Sender
from verbwire.errors import OutcomeUnknownError, WrongVerbError
from verbwire.messages import Command, Event, Kind, Outcome, Page, Query
from verbwire.names import scheduler_of
from verbwire.principal import Principal
from verbwire.testing.memory.topics import MemoryProducer
from verbwire.wire.codec.topics import Codec
from verbwire.wire.headers import BARE, Envelope, envelope_of
from verbwire.wire.keys import key_bytes
from verbwire.wire.scheduling import CANCEL, time_header

R = TypeVar("R")
_REPLY_PARTITION = 0


class MemoryBackend(Protocol):
    """What a client in memory needs of its project."""

    def run(self) -> None:
        """Let all groups process what there is."""
        ...

    def outcome_of(self, command: type[Command[R]], id: str) -> Outcome[R] | None:
        """Return what was told of a command that was just asked; None while its receiver is paused."""
        ...

    def answer(self, query: Query[R], principal: Principal, after: Page[Any] | None) -> R:
        """Return the reply to a query, or a page of them."""
        ...


class MemoryClient:
    """Publishes, sends, asks and queries as `principal`, with everything that comes of it before the call returns."""

    def __init__(
        self,
        backend: MemoryBackend,
        connection: Connection,
        producer: MemoryProducer,
        codec: Codec,
    ) -> None:
        self.principal = connection.principal
        self._backend = backend
        self._sender = Sender(producer, Routes(connection, producer, codec))

    def publish(
        self, event: Event, *, id: str | None = None, correlation_id: str | None = None, causation_id: str | None = None
    ) -> Position:
        """Publish an event; return where it lies."""
        require_no_query("publish")
        position = self._sender.send(Kind.EVENT, event, envelope_of(id, None, correlation_id, causation_id)).result()
        self._backend.run()
        return position

    def send(
        self,
        command: Command,
        *,
        id: str | None = None,
        ttl: float | None = None,
        at: datetime | None = None,
        after: timedelta | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Position:
        """Send a command; return where it lies. Its outcome is among `InMemory.outcomes`.

        What is sent for later waits for `InMemory.advance`.
        """
        later = None if at is None and after is None else time_header(at, after)
        position = self._enqueue(command, envelope_of(id, ttl, correlation_id, causation_id, later))
        self._backend.run()
        return position

    def enqueue(
        self,
        message: Command | Event,
        *,
        id: str | None = None,
        ttl: float | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Position:
        """Write a message and leave it there until something else runs the project; return where it lies."""
        return self._enqueue(message, envelope_of(id, ttl, correlation_id, causation_id))

    def _enqueue(self, message: Command | Event, envelope: Envelope) -> Position:
        kind = Kind.EVENT if isinstance(message, Event) else Kind.COMMAND
        require_no_query("publish" if kind is Kind.EVENT else "send")
        return self._sender.send(kind, message, envelope).result()

    def cancel(self, command: type[Command], key: object, id: str) -> Outcome[Any]:
        """Cancel a command that was sent for later; return what `Client.cancel` would have as its outcome.

        :class:`OutcomeUnknownError` while its scheduler is paused.
        """
        require_no_query("cancel")
        route, own = self._sender.routes.later(command), self._sender.new_id()
        self._sender.cancel(route, key_bytes(key), id, own, BARE, _REPLY_PARTITION)
        self._backend.run()
        outcome = self._backend.outcome_of(command, own)
        if outcome is None:
            raise OutcomeUnknownError(f"{scheduler_of(route.contract.namespace)}.{CANCEL}", own, None, 0)
        return outcome

    def ask(
        self,
        command: Command[R],
        *,
        id: str | None = None,
        ttl: float | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        **more: Never,
    ) -> Outcome[R]:
        """Send a command and return its outcome.

        :class:`OutcomeUnknownError` while its receiver is paused, :class:`ContractError` where the project has none,
        :class:`WrongVerbError` for a command that nobody answers.
        """
        require_no_query("ask")
        require_at_once(more)
        outgoing = self._sender.encode(Kind.COMMAND, command, envelope_of(id, ttl, correlation_id, causation_id))
        contract = outgoing.route.contract
        if contract.response == "none":
            raise WrongVerbError(f"{contract.short} has no outcome (its response is none): use send")
        self._sender.produce(outgoing, _REPLY_PARTITION)
        self._backend.run()
        outcome = self._backend.outcome_of(type(command), outgoing.id)
        if outcome is None:
            raise OutcomeUnknownError(contract.name, outgoing.id, None, 0)
        return outcome

    def query(self, query: Query[R], *, after: Page[Any] | None = None) -> R:
        """Return the reply to a query, or a :class:`Page` of replies; raises what `Client.query` raises."""
        return self._backend.answer(query, self.principal, after)
