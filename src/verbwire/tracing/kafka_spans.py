"""Names spans over Kafka, and their attributes, as OpenTelemetry's semantic conventions for messaging do (1.3x, 2026).

No key and no value of a message is among them.

Source: https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

from __future__ import annotations

from verbwire.tracing.seam import SpanKind, Tracer, TraceSpan

_SYSTEM = {"messaging.system": "kafka"}


def sending(tracer: Tracer, topic: str, type: str, id: str, parent: str | None) -> TraceSpan:
    """Begin the span of one message on its way to the broker; it ends with the acknowledgement."""
    attributes = _attributes("send", "send", topic) | {"messaging.message.id": id, "verbwire.message.type": type}
    return tracer.begin(f"send {topic}", SpanKind.PRODUCER, attributes, parent)


def created(tracer: Tracer, topic: str, type: str, id: str, parent: str | None) -> str:
    """Note a message that a transaction will write, and return its traceparent."""
    attributes = _attributes("create", "create", topic) | {"messaging.message.id": id, "verbwire.message.type": type}
    span = tracer.begin(f"create {topic}", SpanKind.PRODUCER, attributes, parent)
    span.end()
    return span.traceparent


def processing(
    tracer: Tracer, group: str, type: str, place: tuple[str, int, int], id: str | None, parent: str | None
) -> TraceSpan:
    """Begin the span of one message at a handler; `place` is its topic, partition and offset."""
    topic, partition, offset = place
    attributes = _attributes("process", "process", topic) | {
        "messaging.consumer.group.name": group,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
        "verbwire.message.type": type,
    }
    if id is not None:
        attributes["messaging.message.id"] = id
    return tracer.begin(f"process {topic}", SpanKind.CONSUMER, attributes, parent, [parent] if parent else [])


def committing(tracer: Tracer, group: str) -> TraceSpan:
    """Begin the span of one transaction of a group; the messages that it deals with are linked to it."""
    attributes = _SYSTEM | {
        "messaging.operation.name": "commit",
        "messaging.operation.type": "settle",
        "messaging.consumer.group.name": group,
    }
    return tracer.begin(f"commit {group}", SpanKind.INTERNAL, attributes)


def _attributes(operation: str, type: str, topic: str) -> dict[str, str | int]:
    return {
        **_SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": type,
        "messaging.destination.name": topic,
    }
