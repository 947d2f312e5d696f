"""What a new version of a message may change, and what it may not: told offline, with the recipe that works."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.kit.contract_projects import record
from verbwire.contracts.checks.evolution import changes, new_changes
from verbwire.contracts.checks.findings import Severity

Json = Any
KINDS = ("event", "row", "state", "reply", "command", "query")
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
DATE = {"type": "int", "logicalType": "date"}
UUID = {"type": "string", "logicalType": "uuid"}


def decimal(precision: int, scale: int) -> Json:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def enum(*symbols: str, **more: Json) -> Json:
    return {"type": "enum", "name": "Status", "symbols": [*symbols], **more}


def inner(*fields: Json, name: str = "Line", **more: Json) -> Json:
    return {"type": "record", "name": name, "fields": [*fields], **more}


def field(avro: Json, name: str = "x", **more: Json) -> Json:
    return {"name": name, "type": avro, **more}


def message(kind: str, *fields: Json, **more: Json) -> Json:
    attributes = {"kind": kind, "key": "cart_id", **more}
    return record("Message", [field("string", "cart_id"), *fields], **attributes)


def found(kind: str, before: Json, now: Json, **more: Json) -> list[str]:
    """What is said of a field that was this and is that; None: it was, or is, not there."""
    older, newer = (message(kind, *([each] if each else []), **more) for each in (before, now))
    return [f"{each.severity} {each.code}: {each.text}" for each in changes(older, newer)]


def errors(kind: str, before: Json, now: Json) -> list[str]:
    return [each for each in found(kind, before, now) if each.startswith("error")]


ROUND_TRIPS: dict[str, tuple[Json, Json]] = {
    "long and a moment": ("long", MILLIS),
    "a date and an int": (DATE, "int"),
    "text and a uuid": ("string", UUID),
    "bytes and a decimal": ("bytes", decimal(6, 2)),
    "UTC and local time": (MILLIS, LOCAL),
    "units": (MILLIS, MICROS),
    "scale": (decimal(6, 2), decimal(6, 3)),
    "precision": (decimal(6, 2), decimal(7, 2)),
    "text and a number": ("string", "long"),
    "a number that would be rounded": ("long", "double"),
    "a size": ({"type": "fixed", "name": "F", "size": 4}, {"type": "fixed", "name": "F", "size": 5}),
    "one and many": ("string", {"type": "array", "items": "string"}),
    "an array and a map": ({"type": "array", "items": "long"}, {"type": "map", "values": "long"}),
    "an enum and text": (enum("A", default="A"), "string"),
    "a record and another": (inner(field("long")), inner(field("long"), name="Other")),
}
PLACES: dict[str, tuple[Any, str]] = {
    "itself": (lambda avro: avro, "x"),
    "nullable": (lambda avro: ["null", avro], "x"),
    "items": (lambda avro: {"type": "array", "items": avro}, "x[]"),
    "values": (lambda avro: {"type": "map", "values": ["null", avro]}, "x[]"),
    "deep": (lambda avro: {"type": "array", "items": inner(field(avro, "deep"), name="Outer")}, "x[].deep"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("one", "other"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_a_type_that_is_read_as_another_value_is_refused_wherever_it_stands(one: Json, other: Json, place: str) -> None:
    put, path = PLACES[place]
    for kind, before, now in [(kind, *pair) for kind in KINDS for pair in ((one, other), (other, one))]:
        (error,) = errors(kind, field(put(before)), field(put(now)))
        assert error.startswith(("error type-changed", "error type-renamed"))
        assert f"field {path}:" in error
        assert "keep the type" in error or "keep the name" in error


def test_another_spelling_of_a_schema_is_no_change() -> None:
    """Registries leave out namespaces, wrap names, and forget the order of attributes."""
    line = inner(field("long", "pence"))
    written = message("event", field(line, "first"), field("Line", "second"))
    again = json.loads(
        json.dumps(written, sort_keys=True)
        .replace('"string"', '{"type": "string"}')
        .replace('"type": "Line"', '"type": "shop.carts.Line"')
        .replace('"name": "Line"', '"name": "shop.carts.Line"')
    )
    assert changes(written, again) == changes(again, written) == []


MAY: dict[str, tuple[Json, Json, set[str]]] = {  # what was, what is, and the kinds that may do so
    "gain a field with a default": (None, field("long", default=0), {*KINDS}),
    "gain one without": (None, field("long"), set()),
    "lose a field with a default": (field("long", default=0), None, {*KINDS}),
    "lose one without": (field("long"), None, {"command", "query"}),
    "become wider": (field("int"), field("long"), {"command", "query"}),
    "become wider, exactly": (field("int"), field("double"), {"command", "query"}),
    "become bytes": (field("string"), field("bytes"), {"command", "query"}),
    "become text": (field("bytes"), field("string"), set()),
    "become narrower": (field("long"), field("int"), set()),
    "become nullable": (field("long"), field(["null", "long"]), {"command", "query"}),
    "become nullable and wider": (field("int"), field(["null", "long"]), {"command", "query"}),
    "no longer be null": (field(["null", "long"]), field("long"), set()),
    "gain a type": (field(["null", "long"]), field(["null", "long", "string"]), {"command", "query"}),
    "gain a symbol": (field(enum("A")), field(enum("A", "B")), {"command", "query"}),
    "gain a symbol where there was a default": (
        field(enum("A", default="A")),
        field(enum("A", "B", default="A")),
        {*KINDS},
    ),
    "gain a symbol and a default": (field(enum("A")), field(enum("A", "B", default="A")), {"command", "query"}),
    "gain a default for unknown symbols": (
        field(enum("A")),
        field(enum("A", default="A")),
        {*KINDS},
    ),
    "lose a symbol": (field(enum("A", "B")), field(enum("A")), set()),
    "lose a symbol, with a default": (field(enum("A", "B", default="A")), field(enum("A", default="A")), set()),
    "be renamed": (field("long"), field("long", "y"), set()),
    "be renamed with an alias": (field("long"), field("long", "y", aliases=["x"]), {"command", "query"}),
    "be renamed with an alias and a default": (
        field("long", default=0),
        field("long", "y", aliases=["x"], default=0),
        {*KINDS},
    ),
    "have its record renamed with an alias": (
        field(inner(field("long"))),
        field(inner(field("long"), name="Other", aliases=["Line"])),
        {"command", "query"},
    ),
    "have its enum renamed with an alias of the other context": (
        field(enum("A")),
        field({**enum("A"), "name": "Other", "aliases": ["elsewhere.Status"]}),
        set(),
    ),
    "have its record gain a field with a default": (
        field(inner(field("long"))),
        field(inner(field("long"), field("long", "y", default=0))),
        {*KINDS},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("before", "now", "kinds"), MAY.values(), ids=[f"a field may {each}" for each in MAY])
def test_new_code_reads_old_records_and_old_code_new_events_and_rows(
    before: Json, now: Json, kinds: set[str], kind: str
) -> None:
    assert bool(errors(kind, before, now)) == (kind not in kinds)


TOLD: dict[str, tuple[str, Json, Json, str]] = {
    "without default": ("event", None, field("long"), "field x: is new and has no default: give it one"),
    "gone": ("event", field("long"), None, "field x: had no default and is gone: keep it"),
    "null": ("event", field("long"), field(["null", "long"]), "add a field beside it that may be null"),
    "symbol": ("row", field(enum("A")), field(enum("A", "B")), "has gained B, .* add a field of a new enum beside it"),
    "lost": ("event", field(enum("A", "B", default="A")), field(enum("A", default="A")), "would be taken for A; keep"),
    "logical": ("event", field("long"), field(MILLIS), "was long, is timestamp-millis: registries take them for the"),
    "scale": ("row", field(decimal(6, 2)), field(decimal(6, 3)), r"was decimal\(6, 2\), is decimal\(6, 3\)"),
    "carrier": (
        "event",
        field(decimal(6, 2)),
        field({**decimal(6, 2), "type": "fixed", "name": "Price", "size": 4}),
        r"was decimal\(6, 2\), is decimal\(6, 2\) in a fixed",
    ),
    "rounded": ("command", field("long"), field("double"), "numbers that were written before would be rounded"),
}


@pytest.mark.parametrize(("kind", "before", "now", "said"), TOLD.values(), ids=TOLD)
def test_an_incompatible_change_is_told_with_the_recipe(kind: str, before: Json, now: Json, said: str) -> None:
    (error,) = errors(kind, before, now)
    assert re.search(said, error)


WARNED: dict[str, tuple[str, Json, Json, str]] = {
    "another default": (
        "event",
        field("long", default=0),
        field("long", default=1),
        "default-changed: field x: the default was 0, is 1",
    ),
    "renamed without a word": (
        "event",
        field("long", default=0),
        field("long", "y", default=0),
        'perhaps-renamed: field y: is new, and x, of the same type, is gone: if it was renamed, say "aliases": ["x"]',
    ),
}


def bounded(**bounds: Json) -> Json:
    return field({"type": "array", "items": {"type": "string", "maxLength": 9, **bounds}}, maxItems=5, default=[])


WARNED |= {
    "a bound that is new": (
        "row",
        field("string"),
        field("string", maxLength=9),
        "bounds-tightened: field x: maxLength was none",
    ),
    "a smaller bound of items": (
        "row",
        bounded(),
        bounded(maxLength=8),
        "bounds-tightened: field x[]: maxLength was 9, is 8",
    ),
    "a shorter name of entries": (
        "row",
        field({"type": "map", "values": "int"}, propertyNames={"maxLength": 9}),
        field({"type": "map", "values": "int"}, propertyNames={"maxLength": 8}),
        "bounds-tightened: field x: propertyNames was {'maxLength': 9}, is {'maxLength': 8}",
    ),
    "a larger minimum": (
        "row",
        field(decimal(6, 2), minimum="0.5"),
        field(decimal(6, 2), minimum="1"),
        "bounds-tightened: field x: minimum was 0.5, is 1",
    ),
    "a default, deep": (
        "event",
        field(["null", inner(field("long", default=0))]),
        field(["null", inner(field("long", default=1))]),
        "default-changed: field x.x: the default was 0, is 1",
    ),
}


@pytest.mark.parametrize(
    ("kind", "before", "now"),
    [
        ("command", field("string"), field("string", maxLength=9)),
        ("row", field("string", maxLength=9), field("string", maxLength=10)),
        ("row", field("string", maxLength=9), field("string")),
        ("row", field("long", minimum=1), field("long", minimum=0)),
        ("event", field("long"), field("long", minimum=0)),
    ],
    ids=["of what is not written again", "wider", "none any more", "lower", "of events"],
)
def test_bounds_that_let_through_what_there_is_are_nothing_to_say_of(kind: str, before: Json, now: Json) -> None:
    assert found(kind, before, now) == []


@pytest.mark.parametrize(("kind", "before", "now", "said"), WARNED.values(), ids=WARNED)
def test_a_compatible_change_that_nobody_may_have_meant_is_a_warning(
    kind: str, before: Json, now: Json, said: str
) -> None:
    (warning,) = found(kind, before, now)
    assert warning.startswith(f"{Severity.WARNING} {said}")


def test_an_alias_of_a_field_that_stood_beside_it_is_refused() -> None:
    """A reader would take one for the other, whichever is written first."""
    both = message("event", field("long", default=0), field("long", "y", default=0))
    alias = message("event", field("long", "y", aliases=["x"], default=0))
    (change,) = [each for each in changes(both, alias) if each.severity is Severity.ERROR]
    assert change.code == "alias-twice"
    assert "y and x were written side by side" in change.text


OURS: dict[str, tuple[str, Json, Json, str]] = {
    "key": ("event", {"key": "cart_id"}, {"key": "x"}, '"key" was cart_id, is x'),
    "key of a row": ("row", {"key": "cart_id"}, {"key": ["cart_id", "at"]}, '"key" was cart_id, is cart_id, at'),
    "time": ("event", {"time": "at"}, {"time": "later"}, '"time" was at, is later'),
    "no time": ("event", {"time": "at"}, {}, '"time" was at, is none'),
    "response": ("command", {"response": "none"}, {}, '"response" was none, is outcome'),
    "no response": ("command", {}, {"response": "none"}, '"response" was outcome, is none'),
    "reply": ("query", {"reply": "A"}, {"reply": "B"}, '"reply" was shop.carts.A, is shop.carts.B'),
    "no reply": ("command", {"reply": "A"}, {}, '"reply" was shop.carts.A, is none'),
    "many": ("query", {"reply": "A"}, {"reply": "A", "many": True}, '"many" was False, is True'),
}


@pytest.mark.parametrize(("kind", "before", "now", "said"), OURS.values(), ids=OURS)
def test_attributes_that_routed_what_was_written_stay(kind: str, before: Json, now: Json, said: str) -> None:
    fields = (field("string"), field(MILLIS, "at"), field(MILLIS, "later"))
    (change,) = changes(message(kind, *fields, **before), message(kind, *fields, **now))
    assert change.code == f"{said.split()[0].strip(chr(34))}-changed"
    assert change.text.startswith(said)
    assert change.text.endswith("Leave it, or make this a new message, of another name")


def test_what_a_stored_record_is_for_may_be_said_later() -> None:
    """Subjects, topics and bytes are the same: deployed code reads what is written under any of the three."""
    row = message("row", field("long"))
    for kind in ("state", "reply"):
        assert changes(row, message(kind, field("long"))) == []
        (error,) = changes(row, message(kind, field("string")))
        assert error.code == "type-changed", "only of the kind nothing is said"
    assert [each.code for each in changes(row, message("event", field("long")))] == ["kind-changed"]


def test_another_kind_is_another_message() -> None:
    (change,) = changes(message("command"), message("event"))
    assert (change.code, change.text) == (
        "kind-changed",
        '"kind" was command, is event: give the new message a name of its own',
    )


def test_attributes_that_decide_nothing_of_the_past_may_change() -> None:
    before = message("command", reply="A", requires=["a:b"], rejections=["empty"])
    now = message("command", reply="A", requires=["a:c"], rejections=["full"], public=True, doc="Another.")
    assert changes(before, now) == []


def test_a_time_may_be_named_later_where_its_field_was_there() -> None:
    at = field(MILLIS, "at")
    assert changes(message("event", at), message("event", at, time="at")) == []
    (change,) = changes(message("event"), message("event", {**at, "default": 0}, time="at"))
    assert change.code == "time-changed"
    assert "would count in the window of its default" in change.text


def test_key_and_time_may_be_renamed_with_an_alias_where_fields_may() -> None:
    before = message("command", field(MILLIS, "at"), time="at")
    fields = [field("string", "number", aliases=["cart_id"]), field(MILLIS, "moment", aliases=["at"])]
    assert changes(before, record("Message", fields, kind="command", key="number", time="moment")) == []


def test_all_versions_count_and_what_stands_between_them_already_is_not_told_again() -> None:
    first = message("event", field("long"))
    second = message("event", field("long"), field("long", "y", default=0))
    third = message("event", field(MILLIS), field("long", "y", default=0))  # deployed by others
    dropped = message("event")
    assert [each.code for each in new_changes([second, first], dropped)] == ["no-default"]
    again = message("event", field(MILLIS), field("long", "y", default=0), field("long", "z", default=0))
    assert new_changes([third, second, first], again) == []
    lossless = message("event", field("long"), field("long", "y"))  # y was not there in the first
    assert [each.text for each in new_changes([second, first], lossless)] == [
        "field y: is new and has no default: give it one, which then holds for all that was written before"
    ]
