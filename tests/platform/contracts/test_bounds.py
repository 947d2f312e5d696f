"""Bounds: what a contract may say of its values, and that one function holds messages to exactly that."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.kit.contract_projects import event, project, record
from verbwire.contracts.schema.bounds import KEY_LENGTH
from verbwire.contracts.schema.bounds_check import BoundViolation, compile_bounds
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.patterns import PatternError, require_pattern, searcher
from verbwire.errors import ContractError
from verbwire.wire.codec.topics import OWN

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
PRICED = {"type": "record", "name": "Priced", "fields": [{"name": "price", "type": MONEY, "maximum": "0.03"}]}
NAMES = {"type": "array", "items": {"type": "string", "maxLength": 3, "pattern": "^[a-z]*$"}}


def with_field(avro_type: Any, **more: Any) -> dict[str, Any]:
    return event("CartOpened", [{"name": "x", "type": avro_type, **more}])


def excess(avro_type: Any, value: Any, **bounds: Any) -> BoundViolation | None:
    check = compile_bounds(record("Cart", [{"name": "x", "type": avro_type, **bounds}]))
    return None if check is None else check(SimpleNamespace(x=value))


# -- what a contract may say

WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "of another type": (with_field("string", minimum=1), ['"minimum"', "use minLength or maxLength or pattern"]),
    "of a time": (with_field(MOMENT, minimum=1), ['"minimum"', "has no bounds"]),
    "of an enum": (with_field({"type": "enum", "name": "E", "symbols": ["A"]}, maxLength=1), ["has no bounds"]),
    "of a uuid": (with_field({"type": "string", "logicalType": "uuid"}, maxLength=1), ["has no bounds"]),
    "misspelled": (with_field("string", maxLenght=1), ['"maxLenght"', "did you mean 'maxLength'"]),
    "a length by text": (with_field("string", maxLength="1"), ['"maxLength"', "without quotes"]),
    "a length below nothing": (with_field("string", minLength=-1), ['"minLength"', "from 0"]),
    "a length that is true": (with_field("string", maxLength=True), ['"maxLength"', "whole number"]),
    "more than the most": (with_field("string", minLength=3, maxLength=2), ['"minLength"', "nothing would fit"]),
    "more than the maximum": (with_field(MONEY, minimum="2.5", maximum=2), ['"minimum"', "nothing would fit"]),
    "half an integer": (with_field("long", minimum=0.5), ['"minimum"', "whole number"]),
    "no float of 32 bits": (with_field("float", maximum=0.1), ['"maximum"', "write 0.10000000149011612"]),
    "beyond a float": (with_field("float", maximum=1e39), ['"maximum"', "use a double"]),
    "no decimal": (with_field(MONEY, minimum="a lot"), ['"minimum"', '"0.01"']),
    "a pattern without length": (with_field("string", pattern="^a$"), ['"pattern"', '"maxLength" beside it']),
    "a pattern that is none": (with_field("string", maxLength=9, pattern="("), ['"pattern"', "without its )"]),
    "on the type of a field": (with_field({"type": "string", "maxLength": 3}), ['"maxLength"', "is no attribute here"]),
    "of items": (with_field({"type": "array", "items": {"type": "int", "maxLength": 3}}), ["field x[]", "minimum"]),
    "names of entries that are no text": (
        with_field({"type": "map", "values": "int"}, propertyNames={"maximum": 3}),
        ['"propertyNames"', 'like {"maxLength": 40}'],
    ),
    "names of entries without length": (
        with_field({"type": "map", "values": "int"}, propertyNames={"pattern": "^a$"}),
        ['"propertyNames"', '"maxLength" beside it'],
    ),
    "names of items": (with_field(NAMES, propertyNames={"maxLength": 3}), ['"propertyNames"', "use minItems"]),
    "a default beyond": (with_field("string", maxLength=2, default="abc"), ['"default"', "maxLength is 2"]),
    "a default below": (with_field(MONEY, minimum="0.02", default="\u0001"), ['"default"', "minimum, 0.02"]),
    "a default record": (with_field(PRICED, default={"price": "\u0005"}), ['"default"', "x.price", "maximum, 0.03"]),
    "default items": (with_field(NAMES, default=["a", "B"]), ['"default"', "x[1] does not match"]),
    "rejected as out_of_bounds": (
        record("OpenCart", {"id": "int"}, kind="command", key="id", rejections=["out_of_bounds"]),
        ["'out_of_bounds' is verbwire's own"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_bounds_that_make_no_sense_are_told_with_their_place(tmp_path: Path, case: str) -> None:
    schema, words = WRONG[case]
    with pytest.raises(ContractError) as caught:
        load_catalog(project(tmp_path, schema))
    assert any(all(word in line for word in words) for line in str(caught.value).splitlines()), str(caught.value)


def test_bounds_are_registered_and_change_the_fingerprint(tmp_path: Path) -> None:
    loose = load_catalog(project(tmp_path, with_field("string", maxLength=9))).find("CartOpened")
    tight = load_catalog(project(tmp_path, with_field("string", maxLength=8))).find("CartOpened")
    assert '"name":"x","type":"string","maxLength":8' in tight.text
    assert loose.fingerprint != tight.fingerprint


def test_a_default_of_null_has_no_bounds(tmp_path: Path) -> None:
    schema = with_field(["null", "string"], default=None, minLength=1)
    assert load_catalog(project(tmp_path, schema)).find("CartOpened").bounds is not None


# -- keys


def test_a_key_of_text_has_bounds_without_saying_so(tmp_path: Path) -> None:
    check = load_catalog(project(tmp_path, event("CartOpened", {}))).find("CartOpened").bounds
    assert check is not None
    assert check(SimpleNamespace(cart_id="ü" * KEY_LENGTH)) is None
    found = [check(SimpleNamespace(cart_id=each)) for each in ("", "a" * (KEY_LENGTH + 1))]
    assert [each and (each.field, each.bound) for each in found] == [("cart_id", "minLength"), ("cart_id", "maxLength")]


@pytest.mark.parametrize("avro_type", ["long", {"type": "string", "logicalType": "uuid"}])
def test_bounds_are_not_given_to_types_that_are_short(tmp_path: Path, avro_type: Any) -> None:
    schema = record("CartOpened", {"id": avro_type, "x": "string"}, kind="event", key="id")
    assert load_catalog(project(tmp_path, schema)).find("CartOpened").bounds is None


def test_bounds_of_a_key_are_those_of_its_contract(tmp_path: Path) -> None:
    key = [{"name": "id", "type": "string", "maxLength": 900}]
    check = load_catalog(project(tmp_path, record("Opened", key, kind="event", key="id"))).find("Opened").bounds
    assert check is not None
    assert check(SimpleNamespace(id="a" * 900)) is None


def test_a_row_has_only_the_bounds_that_it_names(tmp_path: Path) -> None:
    row = record("CartRow", {"id": "string", "at": MOMENT}, kind="row", key=["id", "at"], time="at")
    assert load_catalog(project(tmp_path, row)).find("CartRow").bounds is None


@pytest.mark.parametrize("name", OWN)
def test_bounds_are_not_given_to_verbwires_own_records(name: str) -> None:
    assert OWN[name].bounds is None


# -- what keeps to them

LINE = record("Line", [{"name": "pence", "type": "long", "minimum": 0, "maximum": 10}])
FIELDS: list[dict[str, Any]] = [
    {"name": "text", "type": ["null", "string"], "minLength": 1, "maxLength": 4, "pattern": "^[a-c]+(-[a-c]+)*$"},
    {"name": "number", "type": "long", "minimum": -3, "maximum": 3},
    {"name": "share", "type": "double", "minimum": 0.5, "maximum": 1},
    {"name": "any", "type": ["null", "boolean", "long", "string"], "maximum": 2, "maxLength": 1},
    {"name": "names", "type": NAMES, "minItems": 1, "maxItems": 2},
    {
        "name": "tags",
        "type": {"type": "map", "values": {"type": "int", "minimum": 0}},
        "maxProperties": 1,
        "propertyNames": {"minLength": 1, "maxLength": 3},
    },
    {"name": "lines", "type": {"type": "array", "items": LINE}, "maxItems": 2},
]
ALL = compile_bounds(record("Cart", FIELDS), mapping=True)
words = {
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "propertyNames",
}


def json_schema(holder: dict[str, Any]) -> dict[str, Any]:
    """The same words where JSON Schema has them: its implementation is the oracle."""
    node = holder["type"] if isinstance(holder["type"], dict) else {}
    schema = {word: holder[word] for word in words & holder.keys()}
    if "items" in node:
        schema["items"] = json_schema(node["items"])
    if "values" in node:
        schema["additionalProperties"] = json_schema(node["values"])
    if "fields" in holder:
        schema["properties"] = {each["name"]: json_schema(each) for each in holder["fields"]}
    return schema


ORACLE = Draft202012Validator(json_schema({"type": "record", "fields": FIELDS}))
small = st.integers(-4, 12)
letters = st.text("abcB-", max_size=5)
values = st.fixed_dictionaries(
    {
        "text": st.none() | letters,
        "number": small,
        "share": st.sampled_from([0.0, 0.5, 0.75, 1.0, 1.5]),
        "any": st.none() | st.booleans() | small | letters,
        "names": st.lists(letters, max_size=3),
        "tags": st.dictionaries(letters, small, max_size=2),
        "lines": st.lists(st.fixed_dictionaries({"pence": small}), max_size=3),
    }
)


@given(values, st.sampled_from([each["name"] for each in FIELDS]))
def test_a_message_keeps_to_its_bounds_exactly_where_json_schema_says_so(value: dict[str, Any], name: str) -> None:
    assert ALL is not None
    for part in (value, {name: value[name]}):
        assert (ALL(part) is None) == ORACLE.is_valid(part)


def test_an_out_of_bounds_value_is_told_by_its_place() -> None:
    assert ALL is not None
    lines = [{"pence": 1}, {"pence": 11}]
    found = ALL({"lines": lines})
    assert found is not None
    assert (found.field, found.bound, found.limit) == ("lines[1].pence", "maximum", "10")
    assert str(found) == "lines[1].pence is more than its maximum, 10: 11"
    assert str(ALL({"names": ["a", "abcd"]})) == "names[1] has 4 characters, maxLength is 3: 'abcd'"
    assert str(ALL({"tags": {"a": -1}})) == "tags.a is less than its minimum, 0: -1"
    assert str(ALL({"tags": {"abcd": 1}})) == "tags.abcd has 4 characters, maxLength is 3: 'abcd'"
    assert str(ALL({"text": "a--b"})) == "text does not match its pattern, ^[a-c]+(-[a-c]+)*$: 'a--b'"


def test_only_the_beginning_of_a_value_is_shown_and_nothing_of_a_personal_one() -> None:
    found = excess("string", "secret" * 1000, maxLength=9)
    assert found is not None
    assert "secret" in str(found)
    assert len(str(found)) < 200
    assert "secret" not in f"{found.reason} {found.details}"
    assert "secret" not in str(excess("string", "secret" * 1000, maxLength=9, personal=True))
    assert "17" not in str(excess("long", 17, maximum=9, personal=True))


@pytest.mark.parametrize(
    ("avro_type", "bounds", "good", "bad"),
    [
        ("bytes", {"minLength": 1, "maxLength": 2}, [b"\xff", b"\xff\xff"], [b"", b"\xff\xff\xff"]),
        (MONEY, {"minimum": "0.01", "maximum": 10}, [Decimal("0.01"), Decimal(10)], [Decimal(0), Decimal("10.01")]),
        ("double", {"minimum": 0}, [0.0, -0.0, float("inf")], [-1e-300, float("nan")]),
        ("double", {"maximum": 0}, [0.0, float("-inf")], [1e-300, float("nan")]),
        ("long", {"maximum": 2**62}, [2**62], [2**62 + 1]),
        ("string", {"maxLength": 2}, ["\U0001f375\U0001f375"], ["abc"]),  # characters, not bytes or UTF-16
        ("string", {"maxLength": 9, "pattern": "^[a-z]+$"}, ["a"], ["a\n", "\na", ""]),
        ("string", {"maxLength": 9, "pattern": "[^ ]"}, [" a "], ["   ", ""]),  # searched, not matched as a whole
    ],
)
def test_values_at_their_bounds(avro_type: Any, bounds: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    assert [excess(avro_type, each, **bounds) for each in good] == [None] * len(good)
    assert None not in [excess(avro_type, each, **bounds) for each in bad]


# -- patterns

REFUSED = {
    r"\d+": "spell it as a class",
    r"\w": "spell it as a class",
    r"a\-b": "spell it as a class",
    ".*": "not the same everywhere",
    "a$b": "not the same everywhere",
    "(?=a)b": "use plain groups",
    "(?i)a": "use plain groups",
    r"(a)\1": "not the same everywhere",
    "a|b": "into parentheses",
    "a*?": "repeats twice",
    "[a&&b]": "write it once",
    "[]": "empty class",
    "[b-a]": "wrong way round",
    "[a": "without ]",
    "a{3,2}": "larger number comes first",
    "a{,2}": "not the same everywhere",
    "a)": "without its (",
    "\U0001f375": "two characters",
    "(a+)+$": "several ways",
    "(a|a)*$": "several ways",
    "(a?){50}": "several ways",
    "([a-z]*[a-z])*": "several ways",
    "a*a*a*b": "1,000,000 steps",
    "^[a-z]*[a-y]*[a-x]*$": "1,000,000 steps",
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_pattern_that_means_something_else_elsewhere_or_takes_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match=REFUSED[pattern].replace("(", r"\(")):
        require_pattern(pattern, 200)


ALLOWED = [
    "^[A-Za-z0-9][A-Za-z0-9-]{0,29}$",
    "^[a-z]+(-[a-z]+)*$",
    "^[^@ ]+@[^@ ]+[.][a-z]{2,9}$",
    "[^ ]",
    "^(ab|cd)?x$",
    r"^\$[0-9]+(\.[0-9]{1,2})?$",
    "a*b",
    "^$",
    "",
    r"^[\]\\^-]+$",
    "^[ä-ü]+$",
    r"x\\$",
]


@given(st.sampled_from(ALLOWED), st.text("aAz09-@. x$\\]^ä\nbcd", max_size=12))
def test_a_pattern_finds_what_other_engines_find(pattern: str, text: str) -> None:
    require_pattern(pattern, 200)
    jsonschema_rs = pytest.importorskip("jsonschema_rs")  # Rust's engine, which takes ECMA-262's dialect
    assert (searcher(pattern).search(text) is not None) == jsonschema_rs.is_valid({"pattern": pattern}, text)


@pytest.mark.parametrize("pattern", ["[a-z]*[0-9]", "^[a-z]*[a-y]*$", "^([a-z]+-)*[A-Z]$", "([a-z]-)*[A-Z]"])
def test_the_worst_text_of_an_allowed_pattern_ends_soon(pattern: str) -> None:
    require_pattern(pattern, 300)
    search = searcher(pattern).search
    for text in ("a" * 300, "a-" * 150, "a" * 299 + "!"):
        begun = time.perf_counter()
        search(text)
        assert time.perf_counter() - begun < 0.5
