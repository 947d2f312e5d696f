"""Strict msgspec types per Avro schema: fastavro coerces silently when it writes.

fastavro 1.13 makes 1 of 1.5, true of "false", three items of the text "abc", an Avro int of any 64-bit
number, and local time of a datetime without a zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

import msgspec

from verbwire.contracts.schema.tree import (
    AvroArray,
    AvroEnum,
    AvroFixed,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
    Primitive,
)

_PRIMITIVES: dict[str, Any] = {
    "null": None,
    "boolean": bool,
    "int": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "float": float,
    "double": float,
    "bytes": bytes,
    "string": str,
}
LOGICAL: dict[str, Any] = {
    "uuid": UUID,
    "decimal": Decimal,
    "date": date,
    "time-millis": Annotated[time, msgspec.Meta(tz=False)],
    "time-micros": Annotated[time, msgspec.Meta(tz=False)],
    "timestamp-millis": Annotated[datetime, msgspec.Meta(tz=True)],
    "timestamp-micros": Annotated[datetime, msgspec.Meta(tz=True)],
    "local-timestamp-millis": Annotated[datetime, msgspec.Meta(tz=False)],
    "local-timestamp-micros": Annotated[datetime, msgspec.Meta(tz=False)],
}
"""What Avro's logical types are in Python."""


MadeRecord: TypeAlias = Callable[[AvroRecord, Mapping[str, Any]], type[msgspec.Struct]]
"""Makes the class of a record, and of the types of its fields."""


def _fitting_record(record: AvroRecord, fields: Mapping[str, Any]) -> type[msgspec.Struct]:
    return msgspec.defstruct(record.short, [*fields.items()], kw_only=True)


def fitting_type(tree: AvroType, record: MadeRecord = _fitting_record) -> Any:
    """Return the type to which :func:`msgspec.convert` turns exactly the values that fit a schema.

    `record` makes its classes; by default they demand every field.
    """
    return _Types(record).type(tree)


def is_flat(record: AvroRecord) -> bool:
    """Whether a record holds only primitive and logical types: no records, enums, arrays or maps."""
    return all(_is_plain(field.type) for field in record.fields)


def _is_plain(node: AvroType) -> bool:
    match node:
        case AvroUnion(branches):
            return all(map(_is_plain, branches))
        case Primitive() | Logical(base=Primitive()):
            return True
        case _:
            return False


class _Types:
    """Types of one schema, each made once."""

    def __init__(self, record: MadeRecord) -> None:
        self._make = record
        self._made: dict[AvroType, Any] = {}

    def type(self, node: AvroType) -> Any:
        if node not in self._made:
            self._made[node] = self._found(node)
        return self._made[node]

    def _found(self, node: AvroType) -> Any:
        match node:
            case Primitive(kind):
                return _PRIMITIVES[kind]
            case Logical(kind):
                return LOGICAL[kind]
            case AvroUnion(branches):
                return reduce(or_, map(self.type, branches))
            case AvroArray(items):
                return tuple[self.type(items), ...]  # type: ignore[misc]  # a type made at run time
            case AvroMap(values):
                return dict[str, self.type(values)]  # type: ignore[misc]  # a type made at run time
            case AvroRecord(fields=fields):
                return self._make(node, {field.name: self.type(field.type) for field in fields})
            case AvroEnum(symbols=symbols):
                return Literal[symbols]
            case AvroFixed(size=size):
                return Annotated[bytes, msgspec.Meta(min_length=size, max_length=size)]
