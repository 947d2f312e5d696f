"""Sends messages: finds their route, encodes them, writes key and headers, and hands them to the producer."""

from __future__ import annotations

from functools import partial

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.ids import Ids
from verbwire.client.producing.producer import Producer
from verbwire.client.producing.routes import Route, Routes
from verbwire.messages import Kind, Message
from verbwire.tracing.kafka_spans import sending
from verbwire.tracing.seam import Tracer, TraceSpan, active
from verbwire.wire.headers import BARE, Envelope
from verbwire.wire.scheduling import CANCEL_HEADER, require_room


class OutgoingMessage(msgspec.Struct, frozen=True, gc=False):
    """A message that is encoded and has its id; nothing of it has been sent."""

    route: Route
    id: str
    key: bytes
    value: bytes
    envelope: Envelope


class Sender:
    """The producing half of a client, an HTTP gateway or a group of side effects; may be used by several threads."""

    def __init__(self, producer: Producer, routes: Routes) -> None:
        self.producer = producer
        self.routes = routes
        self._ids = Ids()

    @classmethod
    def of(cls, connection: Connection) -> Sender:
        """Return one with a producer of its own."""
        producer = Producer(connection)
        return cls(producer, Routes(connection, producer))

    def send(self, kind: Kind, message: Message, envelope: Envelope = BARE) -> Ack:
        """Encode a message of that kind, queue it, and return its acknowledgement-to-be.

        Raises like :meth:`encode` and :meth:`Producer.produce`.
        """
        return self.produce(self.encode(kind, message, envelope))

    def encode(self, kind: Kind, message: Message, envelope: Envelope = BARE) -> OutgoingMessage:
        """Return a message as it will be produced.

        :class:`WrongVerbError` when it is of another kind, :class:`UnencodableError` when it does not fit its contract
        or the envelope's id cannot be one; see :meth:`Routes.of` for topics that are not there.
        """
        route = self.routes.of(kind, message)
        if envelope.later is not None:
            self.routes.require_scheduled(route)
        id = self._ids.of(envelope.id)
        return OutgoingMessage(route, id, route.key(message), route.encoder(message), envelope)

    def produce(self, outgoing: OutgoingMessage, reply_partition: int | None = None, patient: bool = True) -> Ack:
        """Queue an encoded message; `reply_partition` is where in the replies topic its outcome is waited for.

        :class:`WouldWaitError` where the queue is full and it is not `patient`.
        """
        if (tracer := active()) is not None:
            return self._produce_traced(tracer, outgoing, reply_partition, patient)
        return self._produce(outgoing, reply_partition, patient)

    def _produce_traced(
        self, tracer: Tracer, outgoing: OutgoingMessage, reply_partition: int | None, patient: bool
    ) -> Ack:
        route, envelope = outgoing.route, outgoing.envelope
        span = sending(tracer, route.topic, route.contract.name, outgoing.id, envelope.traceparent)
        envelope = msgspec.structs.replace(envelope, traceparent=span.traceparent)
        try:
            ack = self._produce(msgspec.structs.replace(outgoing, envelope=envelope), reply_partition, patient)
        except BaseException as error:
            span.fail(type(error).__name__)
            span.end()
            raise
        ack.when_done(partial(_acknowledged, span, ack))
        return ack

    def _produce(self, outgoing: OutgoingMessage, reply_partition: int | None, patient: bool) -> Ack:
        route, id, key, value = outgoing.route, outgoing.id, outgoing.key, outgoing.value
        headers = route.headers(id, key, value, outgoing.envelope, reply_partition)
        if outgoing.envelope.later is not None and route.scheduled is not None:
            require_room(route.contract.name, key, value, headers)
            return self.producer.produce(route.scheduled, key, value, headers, id, patient=patient)
        return self.producer.produce(route.topic, key, value, headers, id, patient=patient)

    def cancel(
        self, route: Route, key: bytes, command_id: str, id: str, envelope: Envelope, reply_partition: int
    ) -> Ack:
        """Queue what cancels a command that was sent for later; `id` is its own, and its outcome's."""
        topic = self.routes.require_scheduled(route)
        headers = [*route.headers(id, key, b"", envelope, reply_partition), (CANCEL_HEADER, command_id.encode())]
        return self.producer.produce(topic, key, None, headers, id)

    def new_id(self) -> str:
        """Return an id that no other message has."""
        return self._ids.of(None)


def _acknowledged(span: TraceSpan, ack: Ack) -> None:
    if ack.error is not None:
        span.fail(type(ack.error).__name__)
    elif (position := ack.position) is not None:
        span.note(
            {"messaging.destination.partition.id": str(position.partition), "messaging.kafka.offset": position.offset}
        )
    span.end()
