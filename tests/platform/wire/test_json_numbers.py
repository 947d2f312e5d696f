"""Numbers in JSON: what is written is read back as it was, in every union that a contract may have."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.kit import notes
from tests.kit.samples.office.notes import TakeNote
from verbwire.client.querying.request import _exactly
from verbwire.contracts.schema.model import Contract
from verbwire.contracts.schema.tree import tree_of
from verbwire.http.avro_json.decode import JsonMismatch, reader
from verbwire.http.avro_json.encode import encoder
from verbwire.http.avro_json.schema import JsonSchemas
from verbwire.wire.json.numbers import SAFE_INTEGER, tag

SINGLES = st.floats(width=32)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53, 2**53 - 1, -(2**53), 2**60]),
    "float": SINGLES,
    "double": st.floats(),
    "string": st.text()
    | st.sampled_from(["5", "9007199254740993", "NaN", "Infinity", "null", "true", '{"long": "1"}']),
    "bytes": st.binary() | st.sampled_from([b"\x9e\xe9\x65", b"\xb6\xbb\x9e", b"\xd7m\xf8" * 4, b"\x22w\xe2\x9e+r"]),
}
PYTHON: dict[str, Any] = {"null": None, "boolean": bool, "int": int, "long": int, "float": float, "double": float}
PYTHON |= {"string": str, "bytes": bytes}
CHOICES = product(
    ("null", None), ("boolean", None), (None, "int", "long", "float", "double"), (None, "string", "bytes")
)
UNIONS = [union for choice in CHOICES if len(union := [each for each in choice if each]) > 1]


def contract(*fields: Any) -> Contract:
    schema = {"type": "record", "name": "Any", "namespace": "a", "fields": list(fields)}
    return replace(notes.CATALOG.of(TakeNote), schema=schema)


def record(union: list[str]) -> tuple[Contract, type[Any]]:
    """A record with such a union in a field, in an array, and in a map."""
    inside: Any = PYTHON[union[0]]
    for each in union[1:]:
        inside = inside | PYTHON[each]
    fields = [
        {"name": "one", "type": union},
        {"name": "some", "type": {"type": "array", "items": union}},
        {"name": "named", "type": {"type": "map", "values": union}},
    ]
    types = [("one", inside), ("some", tuple[inside, ...]), ("named", dict[str, inside])]
    return contract(*fields), msgspec.defstruct("Any", types, kw_only=True, frozen=True)


def shown(value: Any) -> str:
    """By its text: NaN equals nothing, True is 1, and 1 is 1.0."""
    return repr(value)


RECORDS = {",".join(union): (union, *record(union)) for union in UNIONS}


@pytest.mark.parametrize("name", RECORDS)
def test_every_value_of_every_union_comes_back(name: str) -> None:
    union, its, cls = RECORDS[name]
    write, read, ask = encoder(its), reader(its), _exactly(cls, tree_of(its.schema))
    schemas = JsonSchemas()
    documents = [schemas.sent(its), schemas.answered(its)]
    checks = [Draft202012Validator({**each, "components": {"schemas": schemas.components}}) for each in documents]
    values = st.one_of([VALUES[each] for each in union])

    @settings(deadline=None)
    @given(values, st.lists(values, max_size=3))
    def comes_back(one: Any, some: list[Any]) -> None:
        message = cls(one=one, some=tuple(some), named={"a": one})
        body = write(message)
        assert shown(msgspec.convert(read(msgspec.json.decode(body)), cls)) == shown(message)
        assert shown(ask(body)) == shown(message)
        for check in checks:
            assert check.is_valid(json.loads(body)), body

    comes_back()


@pytest.mark.parametrize("union", UNIONS, ids=",".join)
def test_only_numbers_that_could_be_text_carry_the_name_of_their_type(union: list[str]) -> None:
    its, cls = record(union)
    for value in (5, 2**60, 1.5, math.nan, "5", None, True):
        if {int: "long", float: "double", str: "string", bool: "boolean"}.get(type(value), "null") not in union:
            continue
        written = json.loads(encoder(its)(cls(one=value, some=(), named={})))["one"]
        odd = isinstance(value, int | float) and (value != value or abs(value) > SAFE_INTEGER)
        assert isinstance(written, dict) == (odd and tag(union) is not None)
        assert isinstance(written, str) == (value == "5" or (odd and tag(union) is None))


def test_a_name_before_a_number_is_the_one_of_its_type() -> None:
    read = reader(contract({"name": "one", "type": ["null", "string", "long"]}))
    assert read({"one": {"long": "5"}}) == {"one": 5}
    assert read({"one": {"long": 5}}) == {"one": 5}
    for wrong in ({"int": 5}, {"string": "a"}, {}, {"long": "a"}, {"long": 2**63}, {"long": 5, "string": "a"}, [5]):
        with pytest.raises(JsonMismatch):
            read({"one": wrong})


def test_text_beside_bytes_and_numbers_is_never_guessed_to_be_a_number() -> None:
    read = reader(contract({"name": "one", "type": ["bytes", "double"]}))
    with pytest.raises(JsonMismatch, match="base64"):
        read({"one": "NaN"})


@given(st.decimals(min_value=-1, max_value=1, places=10))
def test_decimals_of_many_places_are_written_as_the_description_says(number: Decimal) -> None:
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 10}
    its = contract({"name": "one", "type": ["null", decimal]})
    cls = msgspec.defstruct("Any", [("one", Decimal | None)])
    schemas = JsonSchemas()
    check = Draft202012Validator({**schemas.answered(its), "components": {"schemas": schemas.components}})
    body = encoder(its)(cls(one=number))
    assert check.is_valid(json.loads(body)), body
    assert reader(its)(json.loads(body)) == {"one": number}
