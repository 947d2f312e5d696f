"""What values a schema takes, as msgspec types, because fastavro is too kind when it writes.

In silence fastavro 1.13 makes 1 of 1.5, true of "false", three items of the text "abc", an Avro int of any 64-bit
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

from verbwire.contracts.schema.grammar import full_name
from verbwire.contracts.schema.model import Schema

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


MadeRecord: TypeAlias = Callable[[Schema, Mapping[str, Any]], type[msgspec.Struct]]
"""Makes the class of a record of its schema, and of the types of its fields."""


def _fitting_record(schema: Schema, fields: Mapping[str, Any]) -> type[msgspec.Struct]:
    return msgspec.defstruct(schema["name"].rpartition(".")[2], [*fields.items()], kw_only=True)


def fitting_type(schema: Schema, record: MadeRecord = _fitting_record) -> Any:
    """Return the type to which :func:`msgspec.convert` turns exactly the values that fit a self-contained schema.

    `record` makes its classes; by default they demand every field.
    """
    return _Types(record).type(schema, "")


def is_flat(schema: Schema) -> bool:
    """Whether a record holds only primitive and logical types: no records, enums, arrays or maps."""
    return all(_is_plain(field["type"]) for field in schema["fields"])


def _is_plain(node: Any) -> bool:
    if isinstance(node, list):
        return all(map(_is_plain, node))
    return (node["type"] if isinstance(node, dict) else node) in _PRIMITIVES


class _Types:
    """Types of one schema; named ones are remembered."""

    def __init__(self, record: MadeRecord) -> None:
        self._make = record
        self._named: dict[str, Any] = {}

    def type(self, node: Any, namespace: str) -> Any:
        if isinstance(node, list):
            return reduce(or_, [self.type(branch, namespace) for branch in node])
        if isinstance(node, str):
            return _PRIMITIVES[node] if node in _PRIMITIVES else self._named[full_name(node, namespace)]
        found = self._found(node, namespace)
        if "name" in node:
            self._named[full_name(node["name"], node.get("namespace", namespace))] = found
        return found

    def _found(self, node: Schema, namespace: str) -> Any:
        if node.get("logicalType") in LOGICAL:
            return LOGICAL[node["logicalType"]]
        match node["type"]:
            case "array":
                return tuple[self.type(node["items"], namespace), ...]  # type: ignore[misc]  # a type made at run time
            case "map":
                return dict[str, self.type(node["values"], namespace)]  # type: ignore[misc]  # a type made at run time
            case "record":
                inside = full_name(node["name"], node.get("namespace", namespace)).rpartition(".")[0]
                return self._make(node, {field["name"]: self.type(field["type"], inside) for field in node["fields"]})
            case "enum":
                return Literal[tuple(node["symbols"])]
            case "fixed":
                return Annotated[bytes, msgspec.Meta(min_length=node["size"], max_length=node["size"])]
            case primitive:
                return _PRIMITIVES[primitive]
