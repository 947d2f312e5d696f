"""Sends handlers' messages: ids derive from the cause, and all are acknowledged before the cause counts as handled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Ack, TooLargeError
from verbwire.client.producing.sender import Sender
from verbwire.contracts.schema.model import Contract
from verbwire.declarations.job import Job
from verbwire.declarations.requirements import require_permitted
from verbwire.declarations.sends import require_declared
from verbwire.declarations.subscriber import Subscriber
from verbwire.engine.transactions.record_limits import MAX_RECORD, too_large
from verbwire.errors import ClosedError, DeliveryError, UnavailableError, UnencodableError
from verbwire.kafka.record import ConsumedRecord
from verbwire.messages import Command, Event, Kind, Message
from verbwire.principal import Principal
from verbwire.wire.headers import Envelope, milliseconds
from verbwire.wire.ids import derived_id
from verbwire.wire.records.dead_letters import MAX_DEAD_LETTER, dead_letter_headers, stub_headers
from verbwire.wire.scheduling import time_header


class Cause(NamedTuple):
    """The record because of which a message is sent."""

    group: str  # as declared
    handler: str
    id: str
    correlation_id: str
    traceparent: str | None

    def envelope(self, number: int, ttl: float | None = None, later: tuple[str, bytes] | None = None) -> Envelope:
        """Return what goes with the message of that number which the handler sends because of it; `ttl` in seconds."""
        return Envelope(
            id=derived_id(self.group, self.id, self.handler, number),
            ttl=milliseconds(ttl),
            correlation_id=self.correlation_id,
            causation_id=self.id,
            traceparent=self.traceparent,
            later=later,
        )


class EffectProducer:
    """The producer of one group, for what its handlers send and for its dead letters."""

    def __init__(self, sender: Sender, principal: Principal, declared: Subscriber | Job) -> None:
        self._principal = principal
        self._declared = declared
        self.sender = sender
        self.producer = sender.producer

    @classmethod
    def of(cls, connection: Connection, declared: Subscriber | Job) -> EffectProducer:
        """Return one with a producer of its own, that takes records as large as dead letters are."""
        kafka = {**connection.kafka, "message.max.bytes": MAX_DEAD_LETTER}
        return cls(Sender.of(replace(connection, kafka=kafka)), connection.principal, declared)

    def require_permitted(self, contract: Contract, message: Message) -> None:
        """Raise :class:`ContractError` for what the group does not say that it sends, or what would be refused.

        A group has no caller that could be told of that.
        """
        declared = self._declared
        require_declared(declared.group, message, (*declared.sends, *declared.publishes))
        if contract.kind is Kind.COMMAND:
            require_permitted(contract, self._principal.actor, self._principal.scopes)

    def dead_letter(self, topic: str, record: ConsumedRecord, reason: str, detail: str) -> None:
        """Put a record among the dead letters and wait until it is there; a stub where they do not take it whole.

        :class:`DeliveryError` when it is not, or not within the time that a delivery may take.
        """
        headers = dead_letter_headers(record, reason, detail)
        try:
            self.producer.produce(topic, record.key, record.value, headers, "", record.partition).result()
        except (TooLargeError, UnencodableError):
            stub = stub_headers(record, reason, detail)
            self.producer.produce(topic, None, None, stub, "", record.partition).result()

    def close(self, seconds: float) -> None:
        """Let go of the broker."""
        self.sender.routes.close()
        self.producer.close(seconds)


class HandlerOutbox:
    """The messages of one run of a handler."""

    def __init__(self, producer: EffectProducer, cause: Cause) -> None:
        self._producer = producer
        self._cause = cause
        self._acks: list[Ack] = []
        self.obstacle: ClosedError | DeliveryError | UnavailableError | None = None  # not the handler's fault

    def send(self, command: Command, ttl: float | None = None) -> None:
        """Queue a command."""
        self._put(Kind.COMMAND, command, ttl)

    def send_later(
        self, command: Command, at: datetime | None, after: timedelta | None, ttl: float | None = None
    ) -> None:
        """Queue a command for later."""
        self._put(Kind.COMMAND, command, ttl, time_header(at, after))

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

    def _put(
        self, kind: Kind, message: Message, ttl: float | None = None, later: tuple[str, bytes] | None = None
    ) -> None:
        try:
            envelope = self._cause.envelope(len(self._acks), ttl, later)
            outgoing = self._producer.sender.encode(kind, message, envelope)
            contract = outgoing.route.contract
            self._producer.require_permitted(contract, message)
            if (size := len(outgoing.key) + len(outgoing.value)) > MAX_RECORD:  # the producer takes larger letters
                raise too_large(contract.name, size, MAX_RECORD)
            self._acks.append(self._producer.sender.produce(outgoing))
        except (ClosedError, DeliveryError, UnavailableError) as error:
            self.obstacle = error
            raise
