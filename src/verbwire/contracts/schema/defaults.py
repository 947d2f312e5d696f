"""Whether a field's default fits its type, and what it is in Python. Source: Avro 1.12 specification, "Records"."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from verbwire.contracts.schema.grammar import Json
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 24 * 60 * 60 * 1_000_000
_MICROSECONDS = {"time-millis": 1000, "time-micros": 1, "timestamp-millis": 1000, "timestamp-micros": 1}
_MICROSECONDS |= {"local-timestamp-millis": 1000, "local-timestamp-micros": 1}
_INT, _LONG = range(-(2**31), 2**31), range(-(2**63), 2**63)

Named = dict[str, dict[str, Any]]
"""Definitions of named types by full name."""


def named_types(node: Json, namespace: str = "") -> Named:
    """Every named type that a resolved schema, or a list of such, spells out, by full name, the outer ones first.

    One without a namespace is of that around it.
    """
    if isinstance(node, list):
        parts = node
    elif isinstance(node, dict):
        parts = [node[key] for key in ("items", "values") if key in node]
        parts += [field["type"] for field in node.get("fields", ())]
    else:
        return {}
    found: Named = {}
    if isinstance(node, dict) and "name" in node:
        namespace = node.get("namespace", namespace)
        found = {f"{namespace}.{node['name']}": node}
    for part in parts:
        found |= named_types(part, namespace)
    return found


def default_problems(schema: Json, place: SchemaPlace, named: Named) -> Iterator[ContractProblem]:
    """Defaults in a schema that do not fit the types of their fields; `named` are all types it refers to."""
    if isinstance(schema, list):
        for branch in schema:
            yield from default_problems(branch, place, named)
    elif isinstance(schema, dict):
        for inner in ("items", "values"):
            if inner in schema:
                yield from default_problems(schema[inner], place.inside(), named)
        for field in schema.get("fields", ()):
            here = place.at_field(field["name"])
            if "default" in field and not fits(field["default"], field["type"], named):
                yield here.at("default").problem(_advice(field["default"], field["type"]))
            yield from default_problems(field["type"], here, named)


def fits(value: Json, avro_type: Json, named: Named) -> bool:
    """Whether a JSON value is a default of the type; in a union, of its first branch."""
    if isinstance(avro_type, list):
        return fits(value, avro_type[0], named)
    if isinstance(avro_type, str) and avro_type in named:
        return fits(value, named[avro_type], named)
    name = avro_type["type"] if isinstance(avro_type, dict) else avro_type
    match name:
        case "array":
            return isinstance(value, list) and all(fits(each, avro_type["items"], named) for each in value)
        case "map":
            return isinstance(value, dict) and all(fits(each, avro_type["values"], named) for each in value.values())
        case "record":
            return isinstance(value, dict) and _fits_record(value, avro_type["fields"], named)
        case "enum":
            return value in avro_type["symbols"]
        case "fixed":
            return _is_bytes(value) and len(value) == avro_type["size"] and _has_value(value, avro_type)
        case _:
            return _fits_primitive(value, name) and (isinstance(avro_type, str) or _has_value(value, avro_type))


def _fits_record(value: dict[str, Json], fields: list[dict[str, Any]], named: Named) -> bool:
    known = {field["name"]: field for field in fields}
    given = {name: field["default"] for name, field in known.items() if "default" in field} | value
    return set(given) == set(known) and all(fits(given[name], known[name]["type"], named) for name in known)


def _fits_primitive(value: Json, name: str) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int":
            return whole and value in _INT
        case "long":
            return whole and value in _LONG
        case "float" | "double":
            return (whole or isinstance(value, float)) and _is_number(value, name)
        case "bytes":
            return _is_bytes(value)
        case _:
            return isinstance(value, str)


def number(value: float, avro_type: str) -> float:
    """Return a default of a float or double as it is read back; OverflowError where it is too large for its type."""
    found: float = struct.unpack("<f", struct.pack("<f", value))[0] if avro_type == "float" else float(value)
    return found


def _is_number(value: float, avro_type: str) -> bool:
    try:
        return math.isfinite(number(value, avro_type))
    except OverflowError:
        return False


def logical_value(value: Json, avro_type: dict[str, Any]) -> object:
    """The Python value that a default stands for: a UUID, decimal, date or time; bytes for bytes; else as it is.

    ValueError or OverflowError when Python has no such value.
    """
    match avro_type.get("logicalType"):
        case "uuid":
            return UUID(value)
        case "decimal":
            unscaled = int.from_bytes(value.encode("latin-1"), "big", signed=True)
            digits = tuple(int(digit) for digit in str(abs(unscaled)))
            if len(digits) > avro_type["precision"]:
                raise ValueError(f"{unscaled} has more digits than the precision")
            return Decimal((int(unscaled < 0), digits, -int(avro_type.get("scale", 0))))
        case "date":
            return _EPOCH.date() + timedelta(days=value)
        case "time-millis" | "time-micros" as unit:
            return _time(value * _MICROSECONDS[unit])
        case str(unit) if unit in _MICROSECONDS:
            moment = _EPOCH + timedelta(microseconds=value * _MICROSECONDS[unit])
            return moment.replace(tzinfo=None) if unit.startswith("local") else moment
        case _:
            return value.encode("latin-1") if avro_type["type"] in ("bytes", "fixed") else value


def plain_default(value: Json, node: Json) -> Any:
    """Return the Python value of a default that fits its type: records are dicts of what they give, enums text."""
    if isinstance(node, list):
        return plain_default(value, node[0])
    if isinstance(node, str):
        node = {"type": node}
    match node["type"]:
        case "array":
            return [plain_default(each, node["items"]) for each in value]
        case "map":
            return {key: plain_default(each, node["values"]) for key, each in value.items()}
        case "record":
            types = {field["name"]: field["type"] for field in node["fields"]}
            return {name: plain_default(each, types[name]) for name, each in value.items()}
        case "float" | "double" as name:
            return number(value, name)
        case _:
            return logical_value(value, node)


def _time(microseconds: int) -> time:
    if not 0 <= microseconds < _DAY:
        raise ValueError("a time is within one day")
    return (datetime.combine(date.min, time.min) + timedelta(microseconds=microseconds)).time()


def _has_value(value: Json, avro_type: dict[str, Any]) -> bool:
    try:
        logical_value(value, avro_type)
    except (ValueError, OverflowError):
        return False
    return True


def _is_bytes(value: Json) -> bool:
    """Avro writes bytes as text, one character per byte."""
    return isinstance(value, str) and all(ord(each) < 256 for each in value)


def _advice(value: Json, avro_type: Json) -> str:
    if isinstance(avro_type, list):
        return f"{value!r} does not fit the union's first type: put the type of the default first"
    if value is None:
        return 'null fits no plain type: make the type ["null", ...] or leave the default out'
    return f"{value!r} does not fit the type {_short(avro_type)}: change one of them"


def _short(avro_type: Json) -> str:
    return str(avro_type.get("name", avro_type["type"]) if isinstance(avro_type, dict) else avro_type)
