"""Names and symbols that changed, through the real reader: found by an alias, or taken for a default."""

from __future__ import annotations

import io
from enum import StrEnum
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest

from verbwire import Event
from verbwire.contracts.checks.compatibility import misfits
from verbwire.contracts.schema.model import Contract
from verbwire.errors import ContractError, UndecodableError
from verbwire.messages import Kind
from verbwire.wire.avro.messages import Reader

Json = Any


class Colour(StrEnum):
    RED = "RED"
    OTHER = "OTHER"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    pence: int


class Old(Event, frozen=True, kw_only=True):
    __contract__ = "shop.Sold"
    pence: int = 7
    first: Line | None = None
    lines: tuple[Line, ...] = ()
    colour: Colour = Colour.RED
    check: bytes = b"0000"


class New(Event, frozen=True, kw_only=True):
    __contract__ = "shop.Sold"
    price: int = 9
    top: Line | None = None
    rows: tuple[Line, ...] = ()
    hue: Colour = Colour.RED
    sum: bytes = b"0000"


def schema(names: list[str], types: list[str], *, aliases: bool, symbols: tuple[str, ...] = ("RED", "OTHER")) -> Json:
    """An event whose fields and inner types have these names, with those of the other as aliases, or without."""
    others = dict(zip((*names, *types), _NAMES[names is _NEW], strict=True))

    def also(name: str) -> Json:
        return {"aliases": [others[name]]} if aliases else {}

    line, colour, check = types
    inner: list[Json] = [
        "long",
        ["null", {"type": "record", "name": line, **also(line), "fields": [{"name": "pence", "type": "long"}]}],
        {"type": "array", "items": line},
        {"type": "enum", "name": colour, **also(colour), "symbols": [*symbols], "default": "OTHER"},
        {"type": "fixed", "name": check, **also(check), "size": 4},
    ]
    defaults: list[Json] = [7, None, [], "RED", "0000"]
    fields = [
        {"name": name, "type": avro, "default": default, **also(name)}
        for name, avro, default in zip(names, inner, defaults, strict=True)
    ]
    return {"type": "record", "namespace": "shop", "name": "Sold", "kind": "event", "fields": fields}


_OLD, _OLD_TYPES = ["pence", "first", "lines", "colour", "check"], ["Line", "Colour", "Check"]
_NEW, _NEW_TYPES = ["price", "top", "rows", "hue", "sum"], ["Row", "Hue", "Sum"]
_NAMES = ((*_NEW, *_NEW_TYPES), (*_OLD, *_OLD_TYPES))
VALUES = (12, {"pence": 3}, [{"pence": 4}, {"pence": 5}], "OTHER", b"abcd")


def read(cls: type[Event], reader: Json, writer: Json, values: tuple[Any, ...] = VALUES) -> Event:
    contract = Contract("shop.Sold", Kind.EVENT, (), reader, Path("Sold.avsc"))
    body = io.BytesIO(b"\x00\x00\x00\x00\x01")
    body.seek(5)
    names = [field["name"] for field in writer["fields"]]
    parsed = fastavro.parse_schema(writer, named_schemas={})
    fastavro.schemaless_writer(body, parsed, dict(zip(names, values, strict=True)))
    return Reader(contract, cls, writer)(body.getvalue())  # type: ignore[return-value]  # of the class that it was given


def test_a_field_and_a_type_inside_are_found_by_their_aliases() -> None:
    old, new = schema(_OLD, _OLD_TYPES, aliases=False), schema(_NEW, _NEW_TYPES, aliases=True)
    assert read(New, new, old) == New(
        price=12, top=Line(pence=3), rows=(Line(pence=4), Line(pence=5)), hue=Colour.OTHER, sum=b"abcd"
    )
    assert list(misfits(old, new)) == []


def test_code_of_before_takes_its_defaults_for_what_was_renamed() -> None:
    """It knows no alias: for events and rows a field can only be renamed where it has a default."""
    old, new = schema(_OLD, _OLD_TYPES, aliases=False), schema(_NEW, _NEW_TYPES, aliases=True)
    found = read(Old, old, new)
    assert isinstance(found, Old)
    assert (found.pence, found.first, found.lines, found.colour) == (7, None, (), Colour.RED)


def test_a_type_inside_that_was_renamed_is_not_read_without_an_alias() -> None:
    old, new = schema(_OLD, _OLD_TYPES, aliases=False), schema(_OLD, _NEW_TYPES, aliases=False)
    with pytest.raises(ContractError, match=r"record shop\.Row was written where record shop\.Line is read"):
        read(Old, old, new)
    assert {each.why for each in misfits(new, old)} == {"name"}


def test_a_symbol_that_is_not_known_is_the_enums_default() -> None:
    old = schema(_OLD, _OLD_TYPES, aliases=False)
    newer = schema(_OLD, _OLD_TYPES, aliases=False, symbols=("RED", "GREEN", "OTHER"))
    values = (*VALUES[:3], "GREEN", VALUES[4])
    assert read(Old, old, newer, values).colour is Colour.OTHER  # type: ignore[attr-defined]  # of Old
    del old["fields"][3]["type"]["default"]
    with pytest.raises(UndecodableError, match="GREEN is no symbol of this enum here, and it has no default"):
        read(Old, old, newer, values)


def test_a_field_is_found_by_its_own_name_before_its_alias() -> None:
    """Readers of other languages refuse the alias then, or take one for the other: contracts may not say so."""
    writer = schema(_OLD, _OLD_TYPES, aliases=False)
    reader = schema(_OLD, _OLD_TYPES, aliases=False)
    writer["fields"][0:0] = [{"name": "gross", "type": "long"}]
    reader["fields"][0]["aliases"] = ["gross"]
    assert read(Old, reader, writer, (1, *VALUES)).pence == 12  # type: ignore[attr-defined]  # of Old
    assert [each.why for each in misfits(writer, reader)] == ["twice"]
