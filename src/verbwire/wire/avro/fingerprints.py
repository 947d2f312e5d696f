"""Fingerprints of commands: of their values, so that the same command has the same one however it was written.

The order of a map's entries, the sign of a zero and the number of a schema make no difference, nor does a field that
has its default: a contract that gains one leaves the fingerprints of commands as they were.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import cached_property
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

import msgspec
from fastavro import schemaless_reader

from verbwire.contracts.schema.model import Schema
from verbwire.contracts.schema.tree import (
    NO_DEFAULT,
    NULL,
    AvroArray,
    AvroField,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
    Primitive,
)
from verbwire.messages import Message
from verbwire.wire.avro.framing import HEADER_SIZE
from verbwire.wire.avro.resolution import resolution
from verbwire.wire.avro.strict_schemas import reading_schema
from verbwire.wire.avro.strict_types import fitting_type

Canon: TypeAlias = Callable[[Any], Any]

_SIZE = 16  # bytes
_REQUIRED = object()  # in the place of a default: no value is it
_write = msgspec.msgpack.Encoder(order="sorted").encode


def fingerprint_of(command_value: bytes) -> bytes:
    """Return the fingerprint of bytes that cannot be read: of all of them but their frame."""
    return hashlib.blake2b(memoryview(command_value)[HEADER_SIZE:], digest_size=_SIZE).digest()


class Fingerprints:
    """Tells the fingerprints of records that were written with one schema. May be used by several threads."""

    def __init__(self, tree: AvroRecord) -> None:
        self._tree = tree
        self._name = tree.name.encode() + b"\x00"
        self._canon = _record(tree) or _same

    def of(self, message: Message) -> bytes:
        """Return the 16 bytes of a message in its normal form, whose class has the fields of the schema."""
        text = self._name + _write(self._canon(message))
        return hashlib.blake2b(text, digest_size=_SIZE).digest()

    def of_value(self, value: bytes) -> bytes:
        """Return the 16 bytes of a record's value; it raises what reading it raises."""
        schema, resolve, cls = self._reading
        body = BytesIO(value)
        body.read(HEADER_SIZE)
        fields = schemaless_reader(body, schema)
        return self.of(msgspec.convert(fields if resolve is None else resolve(fields), cls))

    @cached_property
    def _reading(self) -> tuple[Schema, Canon | None, Any]:
        return reading_schema(self._tree), resolution(self._tree, self._tree), fitting_type(self._tree)


def _same(value: Any) -> Any:
    return value


def _number(value: Any) -> Any:
    """Return a number such that equal ones are written alike, also before and after its type became wider."""
    if type(value) is not float:
        return value
    if math.isnan(value):
        return math.nan
    return int(value) if value.is_integer() and abs(value) < 2**63 else value  # no int is larger


def _type(node: AvroType) -> Canon | None:
    """Return what brings values of a type into one form, None where they have no others."""
    match node:
        case AvroUnion():
            return _union(node)
        case AvroRecord():
            return _record(node)
        case AvroArray(items):
            return _items(_type(items))
        case AvroMap(values):
            return _entries(_type(values))
        case Primitive("float" | "double"):
            return _number
        case _:
            return None


def _items(inner: Canon | None) -> Canon | None:
    return None if inner is None else lambda values: [inner(value) for value in values]


def _entries(inner: Canon | None) -> Canon | None:
    return None if inner is None else lambda entries: {key: inner(value) for key, value in entries.items()}


def _union(union: AvroUnion) -> Canon | None:
    if len(union.others) != 1:
        return _number
    inner = _type(union.others[0])
    return None if inner is None else lambda value: None if value is None else inner(value)


class _Field(NamedTuple):
    """How one field of a record counts."""

    name: str
    canon: Canon | None
    default: object  # _REQUIRED: it has none
    written: bytes | None  # the default as it is written, where values may equal it that are others


def _field(field: AvroField) -> _Field:
    canon = _type(field.type)
    if field.default is NO_DEFAULT:
        return _Field(field.name, canon, _REQUIRED, None)
    default = field.python_default
    default = default if canon is None else canon(default)
    return _Field(field.name, canon, default, None if _is_simple(field.type) else _write(default))


def _is_simple(node: AvroType) -> bool:
    """Whether values of a type are equal only when they are the same."""
    if isinstance(node, AvroUnion):
        return len(node.branches) == 2 and node.branches[0] is NULL
    return not isinstance(node, AvroRecord | AvroArray | AvroMap)


def _record(node: AvroRecord) -> Canon | None:
    fields = [*map(_field, node.fields)]
    if all(each.canon is None and each.default is _REQUIRED for each in fields):
        return None

    def canon(record: Any) -> dict[str, Any]:
        """Return the fields that are not as they are by default; `record` is a dict where it is a default itself."""
        found = {}
        for name, inner, default, written in fields:
            value = getattr(record, name) if type(record) is not dict else record.get(name, default)
            if inner is not None:
                value = inner(value)
            if default is _REQUIRED or not (value == default if written is None else _write(value) == written):
                found[name] = value
        return found

    return canon
