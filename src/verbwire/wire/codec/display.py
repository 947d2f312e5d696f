"""Renders any record for display, by its writer's schema."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro

from verbwire.contracts.schema.grammar import full_name
from verbwire.contracts.schema.problems import SchemaPlace
from verbwire.contracts.schema.tree import tree_of
from verbwire.contracts.schema.unsafe import dangers
from verbwire.errors import UndecodableError
from verbwire.wire.avro.framing import HEADER_SIZE
from verbwire.wire.avro.messages import BAD_SCHEMAS, MISFITS
from verbwire.wire.avro.strict_schemas import reading_schema
from verbwire.wire.registry.client import Registry


class Display:
    """Reads framed Avro records as plain Python values, and remembers how each schema is read.

    For showing only: that a topic may hold what is read is not checked.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._readers: dict[bytes, tuple[str, Any]] = {}  # by the frame; of what cannot be read, the reason

    def read(self, value: bytes) -> tuple[str, dict[str, Any]]:
        """Return the full name of a record and its fields.

        :class:`UndecodableError` where it cannot be read, :class:`UnavailableError` when the registry is silent.
        """
        frame = value[:HEADER_SIZE]
        found = self._readers.get(frame)
        if found is None:
            found = self._readers[frame] = self._reader(frame)
        name, schema = found
        if schema is None:
            raise UndecodableError(name)
        try:
            fields = fastavro.schemaless_reader(io.BytesIO(value[HEADER_SIZE:]), schema)
        except (*BAD_SCHEMAS, *MISFITS) as error:
            raise UndecodableError(f"not of {name}: {type(error).__name__} {error}") from error
        if not isinstance(fields, dict):
            raise UndecodableError(f"{name} is not a record")
        return name, fields

    def _reader(self, frame: bytes) -> tuple[str, Any]:
        """Return a schema's name, and what reads it; without that, why there is none."""
        if len(frame) < HEADER_SIZE or frame[0] != 0:
            return f"not in the Confluent wire format, it starts with {frame!r}", None
        schema_id = int.from_bytes(frame[1:], "big")
        if not self._registry.subjects(schema_id):
            raise UndecodableError(f"the registry knows no schema {schema_id}")  # it may be registered later
        schema = self._registry.schema(schema_id)
        if problems := list(dangers(schema, SchemaPlace(Path(f"schema {schema_id}")))):
            return f"schema {schema_id} is not safe to read: {problems[0]}", None
        try:
            fastavro.parse_schema(schema)
            reading = reading_schema(tree_of(schema), booleans=True)
        except (*BAD_SCHEMAS, *MISFITS) as error:
            return f"schema {schema_id} cannot be read: {type(error).__name__} {error}", None
        return full_name(str(schema.get("name", "")), str(schema.get("namespace", ""))), reading


def plain(registry: Registry, value: bytes) -> dict[str, Any]:
    """Return the fields of one framed Avro record; raises like :meth:`Display.read`."""
    return Display(registry).read(value)[1]
