"""Schemas for fastavro, by which it reads strictly and a little faster.

fastavro 1.13 takes an index of -1 for the last symbol or branch, any byte but 0 for true, -1 ms for a time of day, and
rounds decimals that have too many digits. It looks symbols and branches up in whatever it is given, so it is given
dicts, which know no negative numbers; what else it would bend is read by functions of ours, registered as logical
types that no schema outside can name. An int of more than 32 bits is not seen here but by
:mod:`verbwire.wire.avro.resolution`, which looks at values: a function of ours for every int would be dear.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import time
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

import fastavro
from fastavro.read import LOGICAL_READERS

from verbwire.contracts.schema.model import Schema
from verbwire.contracts.schema.tree import (
    AvroArray,
    AvroEnum,
    AvroField,
    AvroFixed,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
    Primitive,
)

_DAY = 24 * 60 * 60 * 1_000_000  # microseconds
BOOLEANS = {b"\x00": False, b"\x01": True}
"""What the byte of a boolean may be. One that is a field of a record is read as that byte, to be looked up later."""


def _read_boolean(data: bytes, _writer: Any = None, _reader: Any = None) -> bool:
    return BOOLEANS[data]


def decimal_reader(precision: int, scale: int) -> Callable[[bytes], Decimal]:
    """Return what reads the bytes of decimals; ValueError for more digits than their type has, or no bytes."""
    limit, context = 10**precision, Context(prec=precision, Emin=MIN_EMIN, Emax=MAX_EMAX)

    def read(data: bytes) -> Decimal:
        unscaled = int.from_bytes(data, "big", signed=True)
        if not -limit < unscaled < limit or not data:
            raise ValueError(f"a decimal of {precision} digits in {len(data)} bytes")
        return Decimal(unscaled).scaleb(-scale, context)

    return read


def _read_decimal(data: bytes, schema: Any, _reader: Any = None) -> Decimal:
    read: Callable[[bytes], Decimal] = schema["read"]
    return read(data)


def _time_of_day(unit: int) -> Callable[..., time]:
    def read(data: int, _writer: Any = None, _reader: Any = None) -> time:
        seconds, part = divmod(data * unit, 1_000_000)
        if not 0 <= data < _DAY // unit:
            raise ValueError(f"{data} is no time of a day")
        return time(seconds // 3600, seconds // 60 % 60, seconds % 60, part)

    return read


_OURS = "verbwire "  # with a blank: no name of a logical type in a schema that Avro's parsers take
LOGICAL_READERS.update(
    {
        f"fixed-{_OURS}boolean": _read_boolean,
        f"bytes-{_OURS}decimal": _read_decimal,
        f"fixed-{_OURS}decimal": _read_decimal,
        f"int-{_OURS}time-millis": _time_of_day(1000),
        f"long-{_OURS}time-micros": _time_of_day(1),
    }
)
_BOOLEAN = {"type": "fixed", "size": 1, "logicalType": f"{_OURS}boolean"}
_BOOLEAN_BYTE = {"type": "fixed", "size": 1}
_PARSED = {"__fastavro_parsed": True, "__named_schemas": {}}


def reading_schema(tree: AvroType, *, booleans: bool = False) -> Schema:
    """Return what fastavro is to read records of a schema by, with no schema of a reader beside it.

    Enums come as their text, and booleans that are fields as bytes (see :data:`BOOLEANS`) unless `booleans` are wanted,
    which takes longer.
    """
    return {**_Strict(_BOOLEAN if booleans else _BOOLEAN_BYTE).type(tree), **_PARSED}


def writing_schema(schema: Schema) -> Schema:
    """Return what fastavro is to write by. Its texts are interned: comparing those it looks no further than at them."""
    parsed: Schema = _interned(fastavro.parse_schema(schema, named_schemas={}))
    return parsed


def _interned(node: Any) -> Any:
    if isinstance(node, str):
        return sys.intern(node)
    if isinstance(node, list):
        return [_interned(each) for each in node]
    if isinstance(node, dict):
        return {sys.intern(name): _interned(each) for name, each in node.items()}
    return node


class _Strict:
    """Remembers what it made of an object, that is, of a type that is used more than once."""

    def __init__(self, boolean_field: Schema) -> None:
        self._boolean_field = boolean_field
        self._made: dict[AvroType, Any] = {}

    def type(self, node: AvroType) -> Any:
        if node not in self._made:
            self._made[node] = self._make(node)
        return self._made[node]

    def _make(self, node: AvroType) -> Any:
        match node:
            case Primitive(kind):
                return _BOOLEAN if kind == "boolean" else sys.intern(kind)
            case AvroUnion(branches):
                return {"type": "union", **dict(enumerate(map(self.type, branches)))}
            case AvroRecord(name=name, fields=fields):
                return {"type": "record", "name": name, "fields": [*map(self._field, fields)]}
            case AvroEnum(name=name, symbols=symbols):
                return {"type": "enum", "name": name, "symbols": dict(enumerate(symbols))}
            case AvroArray(items):
                return {"type": "array", "items": self.type(items)}
            case AvroMap(values):
                return {"type": "map", "values": self.type(values)}
            case AvroFixed(size=size):
                return {"type": "fixed", "size": size}
            case Logical(base=AvroFixed(size=size)):
                return {"type": "fixed", "size": size, **_logical(node)}
            case Logical(base=base):
                return {"type": sys.intern(base.kind), **_logical(node)}

    def _field(self, field: AvroField) -> Schema:
        made = self._boolean_field if field.type.kind == "boolean" else self.type(field.type)
        return {"name": sys.intern(field.name), "type": made}


def _logical(node: Logical) -> Schema:
    match node.kind:
        case "decimal":
            return {"logicalType": f"{_OURS}decimal", "read": decimal_reader(node.precision, node.scale)}
        case "time-millis" | "time-micros" as name:
            return {"logicalType": f"{_OURS}{name}"}
        case name:
            return {"logicalType": name}
