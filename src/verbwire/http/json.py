"""Avro as JSON, the way every answer writes it.

Integers and floats are numbers while any reader gets them right: beyond 2^53 - 1 (RFC 8259 section 6, RFC 7493) an
integer is a string, as are NaN and the infinities. Decimals are strings, bytes base64, times RFC 3339 in UTC with Z,
enums their text, a union's value stands without a tag.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from verbwire.contracts.model import Contract, SharedType

SAFE_INTEGER = 2**53 - 1  # the largest that a double holds apart from its neighbours
_UNSAFE_TYPES = frozenset({"long", "float", "double"})
_TEXTUAL_TYPES = frozenset(  # logical types whose values are written as strings anyway
    {"timestamp-millis", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros"}
    | {"time-micros", "date", "decimal", "uuid"}
)
_encode = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical").encode


def encoder(contract: Contract | SharedType) -> Callable[[Any], bytes]:
    """Return what writes messages of this contract, or plain records; those without wide numbers take the short way."""
    return _encode_exactly if _has_unsafe(contract.schema) else _encode


def encode(value: Any) -> bytes:
    """Write an answer of ours, whose numbers are small."""
    return _encode(value)


def _encode_exactly(message: Any) -> bytes:
    return _encode(exact(msgspec.to_builtins(message)))


def exact(value: Any) -> Any:
    """Return `value` with every number that JSON's readers would change written as a string."""
    kind = type(value)
    if kind is int:
        return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else str(value)
    if kind is dict:
        return {name: exact(each) for name, each in value.items()}
    if kind is list or kind is tuple:
        return [exact(each) for each in value]
    if kind is float and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def _has_unsafe(schema: Any) -> bool:
    """Whether a schema holds a type whose values may not survive as JSON numbers, textual ones aside."""
    if isinstance(schema, str):
        return schema in _UNSAFE_TYPES
    if isinstance(schema, Mapping):
        if schema.get("logicalType") in _TEXTUAL_TYPES:
            return False
        return any(_has_unsafe(schema[part]) for part in ("type", "items", "values", "fields") if part in schema)
    return any(_has_unsafe(each) for each in schema)
