"""Which schema a record was written with, and whether its topic may hold it.

A schema id in a record is a claim by whoever could write to the topic. It is believed only when the registry says
that the id belongs to the subject of a record of this topic's own namespace: fastavro reads any bytes with any
compatible schema and would swap fields without a word.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from verbwire.contracts.checks.compatibility import misread
from verbwire.contracts.schema.grammar import full_name
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.contracts.schema.problems import SchemaPlace
from verbwire.contracts.schema.unsafe import dangers
from verbwire.errors import ContractError, UndecodableError
from verbwire.messages import Kind, Message
from verbwire.names import Names
from verbwire.wire.avro.compiled import read_all
from verbwire.wire.avro.framing import HEADER_SIZE
from verbwire.wire.avro.messages import Encoder, Reader
from verbwire.wire.records.outcomes import OUTCOME
from verbwire.wire.records.parked import PARKED_RECORD
from verbwire.wire.records.requests import REQUEST
from verbwire.wire.records.scheduled import SCHEDULED
from verbwire.wire.records.workers import WORKER
from verbwire.wire.registry.client import Registry
from verbwire.wire.registry.unknown_ids import UnknownIds

log = logging.getLogger(__name__)

# verbwire's own, in no project's catalog
OWN = {each.name: each for each in (OUTCOME, WORKER, REQUEST, PARKED_RECORD, SCHEDULED)}
_REFUSAL_SECONDS = 60.0
_REFUSALS = 10_000


class Codec:
    """Encoders and decoders for the contracts of a project. May be used by several threads."""

    def __init__(self, catalog: Catalog, registry: Registry, names: Names) -> None:
        self.catalog = catalog
        self.registry = registry
        self.names = names
        self._encoders: dict[str, Encoder] = {}
        self._lock = threading.Lock()

    def encoder(self, contract: Contract) -> Encoder:
        """Return the encoder of a contract; asks the registry once.

        :class:`ContractError` when it was not deployed, :class:`UnavailableError` when the registry is silent.
        """
        encoder = self._encoders.get(contract.name)
        if encoder is None:
            with self._lock:
                schema_id = self.registry.id_of(self.names.subject(contract.name), contract.text)
                encoder = self._encoders.setdefault(contract.name, Encoder(contract, schema_id))
        return encoder

    def topic_decoder(self, topic: str, namespace: str, classes: Mapping[str, type[Message]]) -> TopicDecoder:
        """Return the decoder of one topic: `classes` are those handled here, by the full name of their contract.

        :class:`ContractError` for a class that is stale or of no contract.
        """
        handled = {name: (self._contract(cls), cls) for name, cls in classes.items()}
        return TopicDecoder(self, topic, namespace, handled)

    def _contract(self, cls: type[Message]) -> Contract:
        return OWN.get(cls.__contract__) or self.catalog.of(cls)


class TopicDecoder:
    """Reads the values of one topic; may be used by several threads.

    What the registry said of an id is remembered; that an id is foreign, for a minute only, since a schema may be
    registered under a second subject later.
    """

    def __init__(
        self, codec: Codec, topic: str, namespace: str, handled: Mapping[str, tuple[Contract, type[Message]]]
    ) -> None:
        self._codec = codec
        self._topic = topic
        self._namespace = namespace
        self._handled = handled
        self._kind = {
            codec.names.events(namespace): Kind.EVENT,
            codec.names.commands(namespace): Kind.COMMAND,
        }.get(topic)
        self._readers: dict[bytes, Reader | None] = {}
        self._plans: dict[bytes, Callable[[bytes], Message] | None] = {}  # of those that the compiled codec reads
        self._refusals: dict[bytes, tuple[float, str]] = {}
        self._unknown = UnknownIds({codec.names.subject(name) for name in handled})

    def decode(self, value: bytes | None) -> Message | None:
        """Return the message of a record's value, or None when its type belongs here but is not handled here.

        :class:`UndecodableError` for what is not a message of this topic; :class:`RegistryUnavailableError` when the
        registry would have to be asked and cannot be, or does not know what it has given out itself.
        """
        if value is None:
            raise UndecodableError(f"{self._topic}: a record without a value (a tombstone) is not a message")
        reader = self._reader_of(value)
        return None if reader is None else reader(value)

    def fields(self, value: bytes, names: tuple[str, ...]) -> list[Any] | None:
        """Return what these fields of that message are, cheaper than all of it; None and errors likewise."""
        reader = self._reader_of(value)
        return None if reader is None else reader.fields(value, names)

    def _reader_of(self, value: bytes) -> Reader | None:
        frame = value[:HEADER_SIZE]
        try:
            return self._readers[frame]
        except KeyError:
            return self._find(frame)

    def knows(self, value: bytes) -> bool:
        """Whether the schema of a record is known already: then decoding it asks nobody."""
        return value[:HEADER_SIZE] in self._readers

    def shown(self, value: bytes) -> bytes | None:
        """Return the JSON of a record's value; None where that takes :meth:`decode`. Asks nobody."""
        reader = self._readers.get(value[:HEADER_SIZE])
        return None if reader is None else reader.shown(value)

    def decode_all(self, values: Sequence[bytes | None]) -> list[Message | UndecodableError | None]:
        """Return what :meth:`decode` does for each of these values; in the place of what is no message, the error."""
        return read_all(self._plans, values, self._decoded)

    def _decoded(self, value: bytes | None) -> Message | UndecodableError | None:
        try:
            return self.decode(value)
        except UndecodableError as error:
            return error

    def fingerprint(self, command: Message, value: bytes) -> bytes:
        """Return the fingerprint of a command that :meth:`decode` has read from a record's value."""
        reader = self._readers[value[:HEADER_SIZE]]
        assert reader is not None  # noqa: S101 (it has read the command)
        return reader.fingerprint(command, value)

    def _find(self, frame: bytes) -> Reader | None:
        if len(frame) < HEADER_SIZE or frame[0] != 0:
            raise UndecodableError(f"{self._topic}: not in the Confluent wire format, it starts with {frame!r}")
        until, reason = self._refusals.get(frame, (0.0, ""))
        if time.monotonic() < until:
            raise UndecodableError(reason)
        try:
            self._readers[frame] = reader = self._reader(int.from_bytes(frame[1:], "big"))
        except (UndecodableError, ContractError) as error:
            if len(self._refusals) >= _REFUSALS:
                self._refusals.clear()
            reason = f"{self._topic}: {error}"
            self._refusals[frame] = (time.monotonic() + _REFUSAL_SECONDS, reason)
            raise UndecodableError(reason) from error
        if reader is None or reader.plan is not None:
            self._plans[frame] = None if reader is None else reader.plan
        return reader

    def _reader(self, schema_id: int) -> Reader | None:
        registry, names = self._codec.registry, self._codec.names
        subjects = registry.subjects(schema_id)
        if not subjects:
            raise self._unknown.blame(registry, schema_id)
        schema = registry.schema(schema_id)
        name = full_name(str(schema.get("name", "")), str(schema.get("namespace", "")))
        if name.rpartition(".")[0] != self._namespace or names.subject(name) not in subjects:
            raise UndecodableError(f"schema {schema_id} is of {', '.join(sorted(subjects))}, not of {self._namespace}")
        if self._kind is not None and schema.get("kind") != self._kind:
            raise UndecodableError(f"{name} is not one of the {self._kind}s that this topic holds")
        if name not in self._handled:
            if name not in self._codec.catalog.contracts and name not in OWN:
                log.info("%s holds %s, which is no contract of this project: passed over", self._topic, name)
            return None
        problems = list(dangers(schema, SchemaPlace(Path(f"schema {schema_id}"))))
        if problems:
            raise UndecodableError(f"{name} is not safe to read: {problems[0]}")
        contract, cls = self._handled[name]
        if (why := misread(schema, contract.schema)) is not None:  # of a foreign deployment: ours refuses such a schema
            raise UndecodableError(f"{name}, schema {schema_id}: {why}")
        return Reader(contract, cls, schema)
