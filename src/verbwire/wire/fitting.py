"""What values a schema takes, as msgspec types, because fastavro is too kind when it writes.

In silence fastavro 1.13 makes 1 of 1.5, true of "false", three items of the text "abc", an Avro int of any 64-bit
number, and local time of a datetime without a zone.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from verbwire.contracts.grammar import full_name
from verbwire.contracts.model import Schema

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


def fitting_type(schema: Schema) -> Any:
    """Return the type to which :func:`msgspec.convert` turns exactly the values that fit a self-contained schema."""
    return _type(schema, {}, "")


def is_flat(schema: Schema) -> bool:
    """Whether a record holds only primitive and logical types: no records, enums, arrays or maps."""
    return all(_is_plain(field["type"]) for field in schema["fields"])


def _is_plain(node: Any) -> bool:
    if isinstance(node, list):
        return all(map(_is_plain, node))
    return (node["type"] if isinstance(node, dict) else node) in _PRIMITIVES


def _type(node: Any, named: dict[str, Any], namespace: str) -> Any:
    if isinstance(node, list):
        return reduce(or_, [_type(branch, named, namespace) for branch in node])
    if isinstance(node, str):
        return _PRIMITIVES[node] if node in _PRIMITIVES else named[full_name(node, namespace)]
    if node.get("logicalType") in LOGICAL:
        found = LOGICAL[node["logicalType"]]
    elif node["type"] == "array":
        return list[_type(node["items"], named, namespace)]  # type: ignore[misc]  # a type made at run time
    elif node["type"] == "map":
        return dict[str, _type(node["values"], named, namespace)]  # type: ignore[misc]  # a type made at run time
    elif node["type"] == "record":
        return _record(node, named, namespace)
    elif node["type"] == "enum":
        found = Literal[tuple(node["symbols"])]
    elif node["type"] == "fixed":
        found = Annotated[bytes, msgspec.Meta(min_length=node["size"], max_length=node["size"])]
    else:
        found = _type(node["type"], named, namespace)
    if "name" in node:
        named[full_name(node["name"], node.get("namespace", namespace))] = found
    return found


def _record(node: Schema, named: dict[str, Any], namespace: str) -> Any:
    name = full_name(node["name"], node.get("namespace", namespace))
    inside = name.rpartition(".")[0]
    fields = [(field["name"], _type(field["type"], named, inside)) for field in node["fields"]]
    named[name] = found = msgspec.defstruct(node["name"].rpartition(".")[2], fields, kw_only=True)
    return found
