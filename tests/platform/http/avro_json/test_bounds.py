"""Bounds over HTTP: a 400 that names the field, and a description that takes what is read and nothing else."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.kit.contract_projects import project, record
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Contract
from verbwire.http.avro_json.bounds import digits_between
from verbwire.http.avro_json.schema import JsonSchemas
from verbwire.http.base.problem import HttpProblem
from verbwire.http.commands.body import message_reader
from verbwire.http.tables.parameters import parameter_reader
from verbwire.messages import Command, Kind

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
FIELDS: list[dict[str, Any]] = [
    {"name": "key", "type": "string"},
    {"name": "text", "type": "string", "minLength": 1, "maxLength": 4, "pattern": "^[a-c]+$"},
    {"name": "small", "type": "int", "minimum": -3, "maximum": 3},
    {"name": "pence", "type": "long", "minimum": -120, "maximum": 10**12},
    {"name": "least", "type": "long", "minimum": 17},
    {"name": "share", "type": "double", "minimum": 0.5},
    {"name": "part", "type": "float", "minimum": -1, "maximum": 1},
    {"name": "picture", "type": "bytes", "minLength": 2, "maxLength": 7},
    {"name": "any", "type": ["null", "boolean", "long", "string"], "maximum": 12, "maxLength": 2},
    {"name": "names", "type": {"type": "array", "items": {"type": "string", "maxLength": 3}}, "maxItems": 2},
    {
        "name": "tags",
        "type": {"type": "map", "values": {"type": "int", "minimum": 0}},
        "maxProperties": 1,
        "propertyNames": {"pattern": "^a*$", "maxLength": 3},
    },
    {"name": "price", "type": MONEY, "minimum": "0.01"},
]
NAMES = [each["name"] for each in FIELDS if each["name"] != "price"]


class Sold(Command, frozen=True, kw_only=True):
    """What stands for a generated class."""

    key: str = "k"
    text: str = "a"
    small: int = 0
    pence: int = 0
    least: int = 17
    share: float = 1.0
    part: float = 0.0
    picture: bytes = b"ab"
    any: bool | int | str | None = None
    names: tuple[str, ...] = ()
    tags: dict[str, int] = msgspec.field(default_factory=dict)
    price: Decimal = Decimal(1)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    schema = record("SellProduct", FIELDS, kind="command", key="key")
    return load_catalog(project(tmp_path_factory.mktemp("bounds"), schema)).find("SellProduct")


def fields(**given: Any) -> dict[str, Any]:
    return {"price": "1", **json.loads(msgspec.json.encode(Sold())), **given}


def refused(contract: Contract, given: dict[str, Any]) -> HttpProblem | None:
    try:
        message_reader(contract, Sold)(json.dumps(given).encode())
    except HttpProblem as problem:
        return problem
    return None


def schema(contract: Contract) -> Draft202012Validator:
    schemas = JsonSchemas()
    return Draft202012Validator({**schemas.sent(contract), "components": {"schemas": schemas.components}})


numbers = st.integers(-200, 200) | st.sampled_from([10**12, 10**12 + 1, 2**62, -(2**40)])
values = (
    numbers
    | numbers.map(str)
    | st.floats(-2, 2, width=32)
    | st.sampled_from(["NaN", "Infinity", "-Infinity", None, True])
    | st.text("abcd", max_size=5)
    | st.binary(max_size=9).map(lambda each: base64.b64encode(each).decode())
    | st.lists(st.text("ab", max_size=4), max_size=3)
    | st.dictionaries(st.text("ab", max_size=2), st.integers(-2, 2), max_size=2)
)


@given(st.data())
def test_the_description_takes_what_is_read_and_nothing_else(contract: Contract, data: st.DataObject) -> None:
    given = fields(**{data.draw(st.sampled_from(NAMES)): data.draw(values)})
    problem = refused(contract, given)
    assert schema(contract).is_valid(given) == (problem is None), problem and problem.detail


def test_what_is_answered_may_be_older_than_its_bounds(contract: Contract) -> None:
    schemas = JsonSchemas()
    described = {**schemas.answered(contract), "components": {"schemas": schemas.components}}
    assert Draft202012Validator(described).is_valid(fields(text="much longer than it may be now", price="0.00"))


@given(st.integers(-3000, 3000), st.integers(0, 3000), st.integers(-4000, 7000))
def test_digits_between_two_numbers_are_a_pattern(least: int, more: int, number: int) -> None:
    pattern = re.compile(f"({digits_between(least, least + more)})")
    assert (pattern.fullmatch(str(number)) is not None) == (least <= number <= least + more)


def test_a_bound_of_64_bits_is_a_pattern_too() -> None:
    pattern = re.compile(digits_between(-(2**63), 2**63 - 1))
    for number in (-(2**63), 0, -1, 2**63 - 1):
        assert pattern.fullmatch(str(number))
    for number in (-(2**63) - 1, 2**63):
        assert not pattern.fullmatch(str(number))


@pytest.mark.parametrize(
    ("given", "field", "bound"),
    [
        ({"key": ""}, "key", "minLength"),
        ({"key": "k" * 201}, "key", "maxLength"),
        ({"names": ["a", "abcd"]}, "names[1]", "maxLength"),
        ({"tags": {"a": -1}}, "tags.a", "minimum"),
        ({"price": "0.00"}, "price", "minimum"),
        ({"share": "NaN"}, "share", "minimum"),
    ],
)
def test_a_command_beyond_its_bounds_is_a_400_that_names_field_and_bound(
    contract: Contract, given: dict[str, Any], field: str, bound: str
) -> None:
    problem = refused(contract, fields(**given))
    assert problem is not None
    assert (problem.status_code, problem.code, problem.more["field"]) == (400, "out_of_bounds", field)
    assert problem.more["details"]["bound"] == bound


@pytest.mark.parametrize(
    ("given", "field"), [({"text": "abcab"}, "text"), ({"least": "16"}, "least"), ({"names": '["abcd"]'}, "names")]
)
def test_a_parameter_beyond_its_bounds_is_a_400_that_names_it(
    contract: Contract, given: dict[str, str], field: str
) -> None:
    optional = [{**each, "default": None} for each in contract.schema["fields"]]
    read = parameter_reader(replace(contract, kind=Kind.QUERY, schema={**contract.schema, "fields": optional}))
    with pytest.raises(HttpProblem) as caught:
        read(given)
    assert (caught.value.status_code, caught.value.code) == (400, "bad_parameter")
    assert caught.value.more == {"field": field}
    assert read({"text": "abca", "least": "17", "names": '["abc"]'})["least"] == 17
