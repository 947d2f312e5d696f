"""A client of a project in memory: the four verbs on somebody's behalf, each over when it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from verbwire.client.asking.asker import milliseconds
from verbwire.client.base.connection import Connection, Identity
from verbwire.client.producing.ack import Position
from verbwire.client.producing.ids import Ids
from verbwire.client.producing.routes import Route
from verbwire.errors import OutcomeUnknownError, WrongVerbError
from verbwire.messages import Command, Event, Kind, Outcome, Page, Query
from verbwire.testing.memory.subscriber_groups import MemoryRoutes
from verbwire.testing.memory.topics import MemoryProducer
from verbwire.wire.codec.topics import Codec
from verbwire.wire.keys import key_of

_REPLY_PARTITION = 0


class MemoryBackend(Protocol):
    """What a client in memory needs of its project."""

    def run(self) -> None:
        """Let all groups process what there is."""
        ...

    def outcome_of(self, command: Command, id: str) -> Outcome | None:
        """Return what was told of a command that was just asked; None while its receiver is paused."""
        ...

    def answer(self, query: Query, identity: Identity, after: Page | None) -> Any:
        """Return the reply to a query, or a page of them."""
        ...


class MemoryClient:
    """Publishes, sends, asks and queries as `identity`, with everything that comes of it before the call returns."""

    def __init__(
        self,
        backend: MemoryBackend,
        connection: Connection,
        producer: MemoryProducer,
        codec: Codec,
        ids: Callable[[str | None], str] | None = None,
    ) -> None:
        self.identity = connection.identity
        self._backend = backend
        self._producer = producer
        self._routes = MemoryRoutes(connection, producer, codec)
        self._ids = ids or Ids().of

    def publish(
        self, event: Event, *, id: str | None = None, correlation_id: str | None = None, causation_id: str | None = None
    ) -> Position:
        """Publish an event; return where it lies."""
        route = self._routes.of(Kind.EVENT, event)
        position = self._produce(route, event, self._ids(id), None, None, correlation_id, causation_id)
        self._backend.run()
        return position

    def send(
        self,
        command: Command,
        *,
        id: str | None = None,
        ttl: float | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Position:
        """Send a command; return where it lies. Its outcome is among `InMemory.outcomes`."""
        position = self.enqueue(command, id=id, ttl=ttl, correlation_id=correlation_id, causation_id=causation_id)
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
        kind = Kind.EVENT if isinstance(message, Event) else Kind.COMMAND
        return self._produce(
            self._routes.of(kind, message), message, self._ids(id), ttl, None, correlation_id, causation_id
        )

    def ask(
        self,
        command: Command,
        *,
        id: str | None = None,
        ttl: float | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Outcome:
        """Send a command and return its outcome.

        :class:`OutcomeUnknownError` while its receiver is paused, :class:`ContractError` where the project has none,
        :class:`WrongVerbError` for a command that nobody answers.
        """
        route, id = self._routes.of(Kind.COMMAND, command), self._ids(id)
        if route.contract.response == "none":
            raise WrongVerbError(f"{route.contract.short} is answered by nobody (its response is none): send it")
        self._produce(route, command, id, ttl, _REPLY_PARTITION, correlation_id, causation_id)
        self._backend.run()
        outcome = self._backend.outcome_of(command, id)
        if outcome is None:
            raise OutcomeUnknownError(route.contract.name, id, None, 0)
        return outcome

    def query(self, query: Query, *, after: Page | None = None) -> Any:
        """Return the reply to a query, or a :class:`Page` of replies; raises what `Client.query` raises."""
        return self._backend.answer(query, self.identity, after)

    def _produce(
        self,
        route: Route,
        message: Command | Event,
        id: str,
        ttl: float | None,
        reply_partition: int | None,
        correlation_id: str | None,
        causation_id: str | None,
    ) -> Position:
        key, value = key_of(route.contract, message), route.encoder(message)
        headers = route.headers(
            id,
            key,
            value,
            ttl=milliseconds(ttl),
            reply_partition=reply_partition,
            correlation_id=correlation_id,
            causation_id=causation_id,
        )
        return self._producer.produce(route.topic, key, value, headers, id).result()
