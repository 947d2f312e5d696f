"""Renders any record for display, by its writer's schema."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro

from verbwire.contracts.schema.problems import SchemaPlace
from verbwire.contracts.schema.tree import tree_of
from verbwire.contracts.schema.unsafe import dangers
from verbwire.errors import UndecodableError
from verbwire.wire.avro.framing import HEADER_SIZE
from verbwire.wire.avro.messages import BAD_SCHEMAS, MISFITS
from verbwire.wire.avro.strict_schemas import reading_schema
from verbwire.wire.registry.client import Registry


def plain(registry: Registry, value: bytes) -> dict[str, Any]:
    """Return the fields of a framed Avro record as plain Python values.

    For showing only: that its topic may hold it is not checked. :class:`UndecodableError` where it cannot be read,
    :class:`UnavailableError` when the registry is silent.
    """
    if len(value) < HEADER_SIZE or value[0] != 0:
        raise UndecodableError(f"not in the Confluent wire format, it starts with {value[:HEADER_SIZE]!r}")
    schema_id = int.from_bytes(value[1:HEADER_SIZE], "big")
    if not registry.subjects(schema_id):
        raise UndecodableError(f"the registry knows no schema {schema_id}")
    schema = registry.schema(schema_id)
    if problems := list(dangers(schema, SchemaPlace(Path(f"schema {schema_id}")))):
        raise UndecodableError(f"schema {schema_id} is not safe to read: {problems[0]}")
    try:
        fastavro.parse_schema(schema)
        fields = fastavro.schemaless_reader(
            io.BytesIO(value[HEADER_SIZE:]), reading_schema(tree_of(schema), booleans=True)
        )
    except (*BAD_SCHEMAS, *MISFITS) as error:
        raise UndecodableError(f"not of schema {schema_id}: {type(error).__name__} {error}") from error
    if not isinstance(fields, dict):
        raise UndecodableError(f"schema {schema_id} is not of a record")
    return fields
