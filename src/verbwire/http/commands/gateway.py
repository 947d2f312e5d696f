"""From HTTP to Kafka: commands go where every command goes, on behalf of who asked over HTTP."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from verbwire.client.asking.asker import Asker, milliseconds
from verbwire.client.asking.handle import CommandHandle
from verbwire.client.base.connection import Connection, Identity
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.ids import Ids
from verbwire.client.producing.producer import Producer
from verbwire.client.producing.routes import Routes
from verbwire.errors import DeliveryError
from verbwire.messages import Command, Kind
from verbwire.wire.keys import key_of

_CLOSE_SECONDS = 2.0
log = logging.getLogger("verbwire.http")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes with a command: who sends it, and what it continues."""

    identity: Identity
    id: str | None = None  # None: a new one
    ttl: float | None = None  # seconds
    correlation_id: str | None = None
    traceparent: str | None = None


class Gateway:
    """A worker's own client for the commands of HTTP. Every method but `close` may block for seconds: not on a loop."""

    def __init__(self, connection: Connection) -> None:
        self._producer = Producer(connection)
        self._routes = Routes(connection, self._producer)
        self._asker = Asker(connection, self._producer, self._routes)
        self._ids = Ids()

    def ask(self, command: Command, envelope: Envelope) -> CommandHandle:
        """Send a command whose outcome is wanted; raises like :meth:`Client.ask`."""
        return self._asker.ask(
            command,
            id=envelope.id,
            ttl=envelope.ttl,
            identity=envelope.identity,
            correlation_id=envelope.correlation_id,
            traceparent=envelope.traceparent,
        )

    def send(self, command: Command, envelope: Envelope) -> Ack:
        """Send a command that nobody answers; raises like :meth:`Client.send`."""
        route = self._routes.of(Kind.COMMAND, command)
        id = self._ids.of(envelope.id)
        key, value = key_of(route.contract, command), route.encoder(command)
        headers = route.headers(
            id,
            key,
            value,
            envelope.identity,
            ttl=milliseconds(envelope.ttl),
            correlation_id=envelope.correlation_id,
            traceparent=envelope.traceparent,
        )
        return self._producer.produce(route.topic, key, value, headers, id)

    def resume(self, token: str) -> CommandHandle:
        """Return the outcome-to-be of a command that was asked before, by whichever worker."""
        return self._asker.resume(token)

    def close(self) -> None:
        """Let go of the broker, once HTTP has given its last answer."""
        try:
            self._producer.close(_CLOSE_SECONDS)
        except DeliveryError as error:  # who asked was told, or will ask again with the same key
            log.warning("commands from HTTP: %s", error)
        finally:
            self._asker.close()
            self._routes.close()
