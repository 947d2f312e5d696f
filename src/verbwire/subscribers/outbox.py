"""What handlers send: with ids that derive from the cause, and acknowledged before the cause counts as handled."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Ack, TooLargeError
from verbwire.client.producing.producer import Producer
from verbwire.client.producing.routes import Routes
from verbwire.contracts.schema.model import Contract
from verbwire.declarations.job import Job
from verbwire.declarations.requirements import require_permitted
from verbwire.declarations.sends import require_declared
from verbwire.declarations.subscriber import Subscriber
from verbwire.engine.transactions.record_limits import MAX_RECORD, too_large
from verbwire.errors import ClosedError, DeliveryError, UnavailableError, UnencodableError
from verbwire.messages import Command, Event, Kind, Message
from verbwire.wire.ids import derived_id
from verbwire.wire.keys import key_of
from verbwire.wire.records.dead_letters import Original, letter_headers, stub_headers
from verbwire.wire.topics import MAX_LETTER


class Cause(NamedTuple):
    """Because of what a message is sent."""

    group: str  # as declared
    handler: str
    id: str
    correlation_id: str
    traceparent: str | None


class EffectProducer:
    """The producer of one group, for what its handlers send and for its dead letters."""

    def __init__(self, connection: Connection, declared: Subscriber | Job) -> None:
        self._identity = connection.identity
        self._declared = declared
        kafka = {**connection.kafka, "message.max.bytes": MAX_LETTER}
        self.producer = Producer(replace(connection, kafka=kafka))
        self.routes = Routes(connection, self.producer)

    def require_permitted(self, contract: Contract, message: Message) -> None:
        """Raise :class:`ContractError` for what the group does not say that it sends, or what would be refused.

        Nobody here waits to be told of that.
        """
        declared = self._declared
        require_declared(declared.group, message, (*declared.sends, *declared.publishes))
        if contract.kind is Kind.COMMAND:
            require_permitted(contract, self._identity.actor or "", self._identity.scopes)

    def dead_letter(self, topic: str, record: Original, reason: str, detail: str) -> None:
        """Put a record among the dead letters and wait until it is there; a stub where they do not take it whole.

        :class:`DeliveryError` when it is not, or not within the time that a delivery may take.
        """
        headers = letter_headers(record, reason, detail)
        try:
            self.producer.produce(topic, record.key, record.value, headers, "", record.partition).result()
        except (TooLargeError, UnencodableError):
            stub = stub_headers(record, reason, detail)
            self.producer.produce(topic, None, None, stub, "", record.partition).result()

    def close(self, seconds: float) -> None:
        """Let go of the broker."""
        self.routes.close()
        self.producer.close(seconds)


class HandlerOutbox:
    """The messages of one run of a handler."""

    def __init__(self, mail: EffectProducer, cause: Cause) -> None:
        self._mail = mail
        self._cause = cause
        self._acks: list[Ack] = []
        self.obstacle: ClosedError | DeliveryError | UnavailableError | None = None  # not the handler's fault

    def send(self, command: Command) -> None:
        """Queue a command."""
        self._put(Kind.COMMAND, command)

    def publish(self, event: Event) -> None:
        """Queue an event."""
        self._put(Kind.EVENT, event)

    def settle(self) -> None:
        """Wait until the broker has everything; :class:`DeliveryError` where it has not."""
        try:
            for ack in self._acks:
                ack.result()
        except TooLargeError as error:  # the handler's fault: it would be refused every time
            raise UnencodableError(str(error)) from error
        except DeliveryError as error:
            self.obstacle = error
            raise

    def _put(self, kind: Kind, message: Message) -> None:
        cause = self._cause
        try:
            route = self._mail.routes.of(kind, message)
            self._mail.require_permitted(route.contract, message)
            key, value = key_of(route.contract, message), route.encoder(message)
            if (size := len(key) + len(value)) > MAX_RECORD:  # the producer would take a letter's size
                raise too_large(route.contract.name, size, MAX_RECORD)
            id = derived_id(cause.group, cause.id, cause.handler, len(self._acks))
            headers = route.headers(
                id,
                key,
                value,
                correlation_id=cause.correlation_id,
                causation_id=cause.id,
                traceparent=cause.traceparent,
            )
            self._acks.append(self._mail.producer.produce(route.topic, key, value, headers, id))
        except (ClosedError, DeliveryError, UnavailableError) as error:
            self.obstacle = error
            raise
