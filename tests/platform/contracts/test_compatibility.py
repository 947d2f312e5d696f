"""What the comparison of schemas lets pass, the real reader reads as what was written: every pair of types."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest

from verbwire import Event
from verbwire.contracts.checks.compatibility import Reason, expanded, misfits, misread
from verbwire.contracts.checks.silent_changes import oversights
from verbwire.contracts.schema.model import Contract
from verbwire.errors import ContractError, UndecodableError
from verbwire.messages import Kind
from verbwire.wire.avro.messages import Reader

Json = Any
MOMENT = datetime(2010, 12, 1, 8, 26, 0, 123_000, tzinfo=UTC)
FINE = MOMENT.replace(microsecond=123_456)
LINE = {"type": "record", "name": "Line", "fields": [{"name": "pence", "type": "int"}]}


class Holder(Event, frozen=True, kw_only=True):
    __contract__ = "shop.Holder"
    x: Any


def logical(avro: str, name: str, **more: Json) -> Json:
    return {"type": avro, "logicalType": name, **more}


def decimal(precision: int, scale: int) -> Json:
    return logical("bytes", "decimal", precision=precision, scale=scale)


def enum(*symbols: str, **more: Json) -> Json:
    return {"type": "enum", "name": "Status", "symbols": [*symbols], **more}


TYPES: dict[str, tuple[Json, list[Any]]] = {  # and values that are at its edges
    "boolean": ("boolean", [True]),
    "int": ("int", [-(2**31), 2**31 - 1]),
    "long": ("long", [2**63 - 1]),
    "float": ("float", [0.5, 2.0**100]),
    "double": ("double", [0.1, 1e300]),
    "bytes": ("bytes", [b"ab", b"\xff"]),
    "string": ("string", ["ab", "ü"]),
    "date": (logical("int", "date"), [date(2010, 12, 1)]),
    "time-millis": (logical("int", "time-millis"), [time(8, 26, 0, 123_000)]),
    "time-micros": (logical("long", "time-micros"), [time(8, 26, 0, 123_456)]),
    "millis": (logical("long", "timestamp-millis"), [MOMENT]),
    "micros": (logical("long", "timestamp-micros"), [FINE]),
    "local millis": (logical("long", "local-timestamp-millis"), [MOMENT.replace(tzinfo=None)]),
    "local micros": (logical("long", "local-timestamp-micros"), [FINE.replace(tzinfo=None)]),
    "uuid": (logical("string", "uuid"), [UUID(int=5)]),
    "decimal(6, 2)": (decimal(6, 2), [Decimal("9999.99")]),
    "decimal(6, 3)": (decimal(6, 3), [Decimal("999.999")]),
    "decimal(7, 3)": (decimal(7, 3), [Decimal("9999.999"), Decimal("9999.990")]),
    "fixed 4": ({"type": "fixed", "name": "Sum", "size": 4}, [b"abcd"]),
    "fixed 5": ({"type": "fixed", "name": "Sum", "size": 5}, [b"abcde"]),
    "enum": (enum("A", "B"), ["B"]),
    "smaller enum": (enum("A"), ["A"]),
    "smaller enum, default": (enum("A", default="A"), ["A"]),
    "null or int": (["null", "int"], [None, 5]),
    "null or long": (["null", "long"], [None, 2**40]),
    "null or millis": (["null", logical("long", "timestamp-millis")], [None, MOMENT]),
    "int or text": (["null", "int", "string"], [None, 5, "ab"]),
    "array of int": ({"type": "array", "items": "int"}, [[1, 2]]),
    "array of double": ({"type": "array", "items": "double"}, [[0.1]]),
    "map of int": ({"type": "map", "values": "int"}, [{"a": 1}]),
    "map of date": ({"type": "map", "values": logical("int", "date")}, [{"a": date(2010, 12, 1)}]),
    "record": (LINE, [{"pence": 3}]),
    "wider record": ({**LINE, "fields": [{"name": "pence", "type": "long"}]}, [{"pence": 2**40}]),
    "record of another name": ({**LINE, "name": "Row"}, [{"pence": 3}]),
}


def schema(avro: Json) -> Json:
    return {"type": "record", "namespace": "shop", "name": "Holder", "fields": [{"name": "x", "type": avro}]}


def read(reader: Json, writer: Json, value: Any) -> Any:
    body = io.BytesIO(b"\x00\x00\x00\x00\x01")
    body.seek(5)
    fastavro.schemaless_writer(body, fastavro.parse_schema(writer, named_schemas={}), {"x": value})
    contract = Contract("shop.Holder", Kind.EVENT, (), reader, Path("Holder.avsc"))
    return Reader(contract, Holder, writer)(body.getvalue()).x  # type: ignore[attr-defined]  # a Holder


def test_compatibility_of_schemas_that_expand_to_millions_takes_no_time() -> None:
    """A foreign schema may use one record in two fields of the next, and so on."""
    node: Json = LINE
    for number in range(30):
        first, again = node, node if isinstance(node, str) else node["name"]
        fields = [{"name": "a", "type": first}, {"name": "b", "type": again}]
        node = {"type": "record", "name": f"Level{number}", "fields": fields}
    deep = {"type": "record", "namespace": "shop", "name": "Holder", "fields": [{"name": "x", "type": node}]}
    wider = json.loads(json.dumps(deep).replace('"int"', '"long"'))
    assert len(list(misfits(wider, deep))) == 1
    assert list(oversights(expanded(deep), expanded(wider), kept=True)) == []


@pytest.mark.parametrize("written", TYPES)
def test_compatible_schemas_read_what_was_written(written: str) -> None:
    avro, values = TYPES[written]
    for other, _ in TYPES.values():
        writer, reader = schema(avro), schema(other)
        if not list(misfits(writer, reader)):
            for value in values:
                wanted = value.encode() if other == "bytes" and isinstance(value, str) else value
                assert read(reader, writer, value) == wanted, other


@pytest.mark.parametrize("written", TYPES)
def test_incompatible_are_schemas_that_read_another_value(written: str) -> None:
    """Whatever the reader makes of it without an error, and is not what was written, is refused before."""
    avro, values = TYPES[written]
    for (name, (other, _)), value in product(TYPES.items(), values):
        writer, reader = schema(avro), schema(other)
        try:
            found = read(reader, writer, value)
        except (ContractError, UndecodableError):
            continue
        defaulted = {each.why for each in misfits(writer, reader)} == {Reason.DEFAULTED}
        if type(found) is not type(value) or found != value:
            text = {type(found), type(value)} == {str, bytes}
            same = found == value or text or defaulted
            assert same or misread(writer, reader), f"{written} as {name}: {value!r} is read as {found!r}"
