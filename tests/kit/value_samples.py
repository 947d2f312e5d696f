"""A table with a column of every type that has an order, its query, and values that are hard to get right."""

from __future__ import annotations

import importlib
import json
import math
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from verbwire.contracts.codegen.generate import generate, write
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Catalog

EAST, WEST = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))
RANGES = ("_from", "_until")


def logical(logical_type: str, base: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": logical_type, **more}


def same(value: Any) -> Any:
    return value


def single(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def millis(value: Any) -> Any:
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def moment(value: datetime) -> datetime:
    return value.astimezone(UTC)


def one_number(value: float) -> tuple[bool, float]:
    """NaN is above all numbers, and itself."""
    return math.isnan(value), 0.0 if math.isnan(value) else value


@dataclass(frozen=True)
class Sample:
    """A type: values as somebody may write them, what is kept of them, and how that is ordered, by Python alone."""

    avro: Any
    values: tuple[Any, ...]
    kept: Callable[[Any], Any] = same
    order: Callable[[Any], Any] = same


_FLOATS = (0.0, -0.0, 1.5, -1.5, math.nan, math.inf, -math.inf, 1e-40)
_MUCH = "1234567890123456789012345678.000000000"  # and one digit more
_MOST = "9999999999999999999999999999.9999999999"
_DIGITS = ("0", "1.5", "-1.50", "1.0000000001", _MUCH + "1", _MUCH + "2", _MOST, "-" + _MOST, "-0.0000000001", "-1E+5")
_WIDE = tuple(map(Decimal, _DIGITS))
_COLOURS = ("RED", "AMBER", "GREEN")
_TEXTS = ("", "a", "A", "a\x00", "a\x00b", "a\x01", "ä", "a%2Fb &=+", "\uffff", "\U0001f375", "NaN")
_TIMES = (time(0), time(8, 26), time(8, 26, 0, 1), time(8, 26, 0, 1000), time(8, 26, 0, 999_999), time.max)
_MOMENTS = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2010, 12, 1, 8, 26, 0, 123_456, tzinfo=UTC),
    datetime(2010, 12, 1, 8, 26, 0, 123_999, tzinfo=UTC),
    datetime(2010, 12, 1, 13, 56, 0, 123_456, tzinfo=EAST),
    datetime(2010, 12, 1, 0, 26, 0, 124_000, tzinfo=WEST),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
_LOCAL = tuple(each.replace(tzinfo=None) for each in _MOMENTS)

SAMPLES: dict[str, Sample] = {
    "flag": Sample("boolean", (False, True)),
    "small": Sample("int", (0, -1, 1, 2**31 - 1, -(2**31))),
    "big": Sample("long", (0, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63))),
    "metres": Sample("float", (*_FLOATS, 0.1, 16777217.0, 3.4028234663852886e38), single, one_number),
    "hours": Sample("double", (*_FLOATS, 0.1, 5e-324, 1e308, -1e-308, 2.0**60, 3), float, one_number),
    "words": Sample("string", _TEXTS),
    "raw": Sample("bytes", (b"", b"\x00", b"\x00\xff", b"\x00\x00", b"a", b"\xff")),
    "seal": Sample({"type": "fixed", "name": "Seal", "size": 2}, (b"\x00\x00", b"\x00\xff", b"ab", b"\xff\xff")),
    "colour": Sample({"type": "enum", "name": "Colour", "symbols": [*_COLOURS]}, _COLOURS),
    "ident": Sample(logical("uuid", "string"), (UUID(int=0), UUID(int=1), UUID(int=2**127), UUID(int=2**128 - 1))),
    "price": Sample(
        logical("decimal", "bytes", precision=9, scale=2),
        tuple(map(Decimal, ("0", "-0.00", "1.5", "1.50", "-1.50", "9999999.99", "-9999999.99", "1E+2"))),
    ),
    "mass": Sample(logical("decimal", "bytes", precision=38, scale=10), _WIDE),
    "weight": Sample(logical("decimal", "fixed", name="Weight", size=16, precision=38, scale=10), _WIDE),
    "day": Sample(logical("date", "int"), (date(1970, 1, 1), date(1969, 12, 31), date.min, date.max)),
    "at_millis": Sample(logical("time-millis", "int"), _TIMES, millis),
    "at_micros": Sample(logical("time-micros", "long"), _TIMES),
    "moment_millis": Sample(logical("timestamp-millis", "long"), _MOMENTS, lambda value: millis(moment(value))),
    "moment_micros": Sample(logical("timestamp-micros", "long"), _MOMENTS, moment),
    "local_millis": Sample(logical("local-timestamp-millis", "long"), _LOCAL, millis),
    "local_micros": Sample(logical("local-timestamp-micros", "long"), _LOCAL),
}  # fmt: skip


def module(folder: Path, package: str) -> tuple[Catalog, ModuleType]:
    """Write the contracts into a new package in `folder`, which must be importable, and return its classes."""
    home = folder / package / "matrix"
    home.mkdir(parents=True)
    types = {name: _shared(home, each.avro) for name, each in SAMPLES.items()}
    row = [_optional(name, avro) for name, avro in types.items()]
    filters = [_optional(name + end, avro) for name, avro in types.items() for end in ("", *RANGES)]
    nested = [each for name, avro in types.items() for each in _nested(home, name, avro)]
    _write(home, _record("SampleRow", "row", [_field("sample_id", "string"), *row], key="sample_id"))
    _write(home, _record("FindSamples", "query", [*filters, _optional("sort", "string")], reply="SampleRow", many=True))
    _write(home, _record("NestedRow", "row", [_field("sample_id", "string"), *nested], key="sample_id"))
    _write(home, _record("AskNested", "query", nested, reply="NestedRow"))
    catalog = load_catalog(folder / package)
    write(generate(catalog, folder / package))
    (folder / package / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    try:
        return catalog, importlib.import_module(f"{package}.matrix")
    finally:
        sys.path.remove(str(folder))


def inside(name: str) -> str:
    """The name of a record with one field of that sample."""
    return "".join(map(str.capitalize, name.split("_"))) + "Inside"


def _nested(home: Path, name: str, avro: Any) -> list[dict[str, Any]]:
    """A type in an array, in a map, in a record, and beside others in a union where it may be."""
    record = _shared(home, {"type": "record", "name": inside(name), "fields": [_optional("it", avro)]})
    fields = [("some", {"type": "array", "items": avro}), ("named", {"type": "map", "values": avro}), ("in", record)]
    if avro in ("boolean", "int", "long", "float", "double", "bytes"):
        fields.append(("or", [avro, "string" if avro != "bytes" else "double"]))
    found = [_optional(f"{name}_{how}", node) for how, node in fields[:3]]
    return [*found, *({"name": f"{name}_{how}", "type": ["null", *node], "default": None} for how, node in fields[3:])]


def _shared(home: Path, avro: Any) -> Any:
    """The type, or its name where it has one and a file of its own."""
    if not isinstance(avro, dict) or "name" not in avro:
        return avro
    _write(home, avro | {"namespace": "town.matrix", "doc": "One."})
    return avro["name"]


def _record(name: str, kind: str, fields: list[Any], **more: Any) -> dict[str, Any]:
    about = {"type": "record", "name": name, "namespace": "town.matrix", "doc": "One.", "kind": kind}
    return {**about, **more, "fields": fields}


def _field(name: str, avro: Any) -> dict[str, Any]:
    return {"name": name, "type": avro}


def _optional(name: str, avro: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", avro], "default": None}


def _write(home: Path, schema: dict[str, Any]) -> None:
    (home / f"{schema['name']}.avsc").write_text(json.dumps(schema))
