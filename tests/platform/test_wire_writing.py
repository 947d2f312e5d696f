"""The quick writers: fastavro's bytes for plain messages, and no answer for all others."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verbwire.contracts.model import Contract, Schema
from verbwire.errors import UnencodableError
from verbwire.messages import Event, Kind
from verbwire.wire.avro import Encoder, frame
from verbwire.wire.writing import long_bytes, quick_writer


class Colour(StrEnum):
    RED = "RED"
    NOT_RED = "none"  # a symbol that cannot be the name of a member


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    at: int
    colour: Colour


class Plain(Event, frozen=True, kw_only=True):
    text: str
    number: int
    long: int
    flag: bool
    share: float
    weight: float
    data: bytes
    checksum: bytes
    colour: Colour
    other: Colour
    author: str | None
    reader: str | None
    spot: Spot
    spots: tuple[Spot, ...]
    tags: dict[str, int]
    nested: tuple[tuple[str, ...], ...] | None
    millis: datetime
    micros: datetime
    id: Any


SPOT = {
    "type": "record",
    "name": "Spot",
    "namespace": "office.marks",
    "fields": [{"name": "at", "type": "int"}, {"name": "colour", "type": "office.Colour"}],
}
TYPES: dict[str, Any] = {
    "text": "string",
    "number": "int",
    "long": "long",
    "flag": "boolean",
    "share": "float",
    "weight": "double",
    "data": "bytes",
    "checksum": {"type": "fixed", "name": "Checksum", "size": 4},
    "colour": {"type": "enum", "name": "Colour", "symbols": ["RED", "none"]},
    "other": "Colour",
    "author": ["null", "string"],
    "reader": ["string", "null"],
    "spot": SPOT,
    "spots": {"type": "array", "items": "office.marks.Spot"},
    "tags": {"type": "map", "values": "long"},
    "nested": ["null", {"type": "array", "items": {"type": "array", "items": "string"}}],
    "millis": {"type": "long", "logicalType": "timestamp-millis"},
    "micros": {"type": "long", "logicalType": "timestamp-micros"},
    "id": {"type": "string", "logicalType": "uuid"},
}


def schema(types: dict[str, Any]) -> Schema:
    fields = [{"name": name, "type": each} for name, each in types.items()]
    return {"type": "record", "name": "Plain", "namespace": "office", "fields": fields}


PLAIN = schema(TYPES)
write = quick_writer(PLAIN, frame(7))
encode = Encoder(Contract(name="office.Plain", kind=Kind.EVENT, key=("text",), schema=PLAIN, file=Path("x")), 7)
parsed = fastavro.parse_schema(PLAIN)

texts = st.text(st.characters(exclude_categories=["Cs"]))
ints, longs = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
moments = st.datetimes(timezones=st.just(UTC))
spots = st.builds(Spot, at=ints, colour=st.sampled_from(Colour))
messages = st.builds(
    Plain,
    text=texts | st.text("aä", min_size=60, max_size=70),
    number=ints,
    long=longs,
    flag=st.booleans(),
    share=st.floats(width=32),
    weight=st.floats(),
    data=st.binary() | st.binary(min_size=8190, max_size=8194),
    checksum=st.binary(min_size=4, max_size=4),
    colour=st.sampled_from(Colour),
    other=st.sampled_from(Colour),
    author=st.none() | texts,
    reader=st.none() | texts,
    spot=spots,
    spots=st.lists(spots).map(tuple),
    tags=st.dictionaries(texts, longs),
    nested=st.none() | st.lists(st.lists(texts).map(tuple)).map(tuple),
    millis=moments,
    micros=moments,
    id=st.uuids(),
)


@given(messages)
def test_the_bytes_are_fastavros(message: Plain) -> None:
    values = msgspec.to_builtins(message, builtin_types=(bytes, datetime, UUID))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, values, disable_tuple_notation=True)
    assert write is not None
    assert write(message) == frame(7) + out.getvalue() == encode(message)


GOOD = Plain(
    text="a",
    number=1,
    long=1,
    flag=True,
    share=0.5,
    weight=0.5,
    data=b"x",
    checksum=b"1234",
    colour=Colour.RED,
    other=Colour.NOT_RED,
    author=None,
    reader="b",
    spot=Spot(at=1, colour=Colour.RED),
    spots=(),
    tags={},
    nested=None,
    millis=datetime(2026, 1, 1, tzinfo=UTC),
    micros=datetime(2026, 1, 1, tzinfo=UTC),
    id=UUID(int=1),
)


class Two(IntEnum):
    TWO = 2


class Shade(StrEnum):
    GREY = "GREY"


WRONG: list[tuple[str, object]] = [
    ("text", None),
    ("text", b"a"),
    ("text", Colour.RED),
    ("text", "\ud800"),
    ("number", True),
    ("number", 2**31),
    ("number", 1.0),
    ("number", Two.TWO),
    ("long", -(2**63) - 1),
    ("long", "1"),
    ("flag", 1),
    ("flag", "false"),
    ("weight", 1),
    ("share", 1e39),
    ("data", "x"),
    ("data", bytearray(b"x")),
    ("checksum", b"123"),
    ("colour", Shade.GREY),
    ("colour", "RED"),
    ("reader", 1),
    ("spot", None),
    ("spot", {"at": 1, "colour": "RED"}),
    ("spots", "abc"),
    ("spots", [Spot(at=1, colour=Colour.RED)]),
    ("spots", (Spot(at="1", colour=Colour.RED),)),  # type: ignore[arg-type]  # wrong on purpose
    ("tags", {1: 1}),
    ("tags", {"a": "1"}),
    ("tags", (("a", 1),)),
    ("nested", ("abc",)),
    ("millis", datetime(2026, 1, 1)),
    ("millis", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    ("micros", 1),
    ("id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_what_is_not_plain_gets_no_answer(field: str, value: object) -> None:
    one = quick_writer(schema({field: TYPES[field]} if field not in ("spot", "spots") else TYPES), frame(1))
    assert one is not None
    one(GOOD)
    message = msgspec.structs.replace(GOOD, **{field: value})
    with pytest.raises(Exception):  # noqa: B017, PT011 (any exception is the answer: the careful way decides)
        one(message)


def test_the_careful_way_names_the_field_and_takes_what_fits_after_all() -> None:
    flat = schema({"text": "string", "weight": "double"})
    careful = Encoder(Contract(name="office.Plain", kind=Kind.EVENT, key=("text",), schema=flat, file=Path("x")), 1)
    with pytest.raises(UnencodableError, match=r"text"):
        careful(msgspec.structs.replace(GOOD, text=None))
    assert careful(msgspec.structs.replace(GOOD, weight=1)) == careful(msgspec.structs.replace(GOOD, weight=1.0))


@pytest.mark.parametrize(
    "node",
    [
        {"type": "int", "logicalType": "date"},
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
        {"type": "long", "logicalType": "local-timestamp-millis"},
        ["null", "string", "long"],
        ["string"],
        "office.Unheard",
    ],
)
def test_a_schema_of_less_common_types_has_no_quick_writer(node: Any) -> None:
    assert quick_writer(schema({"text": "string", "other": node}), frame(1)) is None


@pytest.mark.parametrize("name", ["class", "a b", "a;b", "x\nimport os", "ﬁne"])
def test_a_name_that_is_no_name_never_becomes_source(name: str) -> None:
    assert quick_writer(schema({name: "string"}), frame(1)) is None


@given(longs)
def test_longs_are_avros(number: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    assert long_bytes(number) == out.getvalue()
