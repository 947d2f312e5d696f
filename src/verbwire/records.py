"""Records of a project's topics, for programs that read them with a Kafka consumer of their own.

::

    decode = RecordReader(connection).events(OrderConfirmed)
    for record in consumer.consume(500):
        if isinstance(confirmed := decode(record.value()), OrderConfirmed):
            print(confirmed.order_id, Headers(record.headers()).correlation_id)

Read with ``isolation.level=read_committed``: what a receiver has not committed has not happened. Tables, subscribers
and processes need none of this, a worker reads for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from verbwire.client.base.connection import Connection
from verbwire.engine.transactions.record_limits import MAX_RECORD
from verbwire.errors import ContractError
from verbwire.messages import Command, Event, Message
from verbwire.wire.codec.topics import Codec
from verbwire.wire.headers import Headers
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord, OutcomeStatus
from verbwire.wire.registry.client import Registry

__all__ = ["MAX_RECORD", "Decode", "Headers", "OutcomeRecord", "OutcomeStatus", "RecordReader"]

Decode: TypeAlias = Callable[[bytes | None], Message | None]
"""Returns the message of a record's value, None for one of another class.

:class:`UndecodableError` for what is no message of the topic, :class:`RegistryUnavailableError` where the registry
cannot be asked.
"""


class RecordReader:
    """Decodes records of a project's topics by the schemas they were written with. May be used by several threads."""

    def __init__(self, connection: Connection) -> None:
        registry = Registry(connection.registry, connection.registry_conf)
        self._codec = Codec(connection.catalog, registry, connection.names)

    def events(self, *classes: type[Event]) -> Decode:
        """Return what decodes the topic of these events, all of one namespace."""
        namespace = self._namespace(classes)
        return self._decoder(self._codec.names.events(namespace), namespace, classes)

    def commands(self, *classes: type[Command]) -> Decode:
        """Return what decodes the topic of these commands, all of one namespace."""
        namespace = self._namespace(classes)
        return self._decoder(self._codec.names.commands(namespace), namespace, classes)

    def outcomes(self, namespace: str) -> Decode:
        """Return what decodes the outcomes of the commands of a namespace, as :class:`OutcomeRecord`."""
        return self._decoder(self._codec.names.outcomes(namespace), OUTCOME.namespace, (OutcomeRecord,))

    def close(self) -> None:
        """Let go of the registry."""
        self._codec.registry.close()

    def _namespace(self, classes: tuple[type[Message], ...]) -> str:
        namespaces = {self._codec.catalog.of(cls).namespace for cls in classes}
        if len(namespaces) != 1:
            raise ContractError(f"a topic holds one namespace, these classes are of {', '.join(namespaces) or 'none'}")
        return namespaces.pop()

    def _decoder(self, topic: str, namespace: str, classes: tuple[type[Message], ...]) -> Decode:
        return self._codec.topic_decoder(topic, namespace, {cls.__contract__: cls for cls in classes}).decode
