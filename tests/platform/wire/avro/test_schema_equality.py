"""Which schemas are the same, whatever text a registry makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.notes import CATALOG, EVENT
from verbwire.wire.avro.schema_equality import canonical, shape

SCHEMA = CATALOG.of(EVENT).schema
NOTE: dict[str, Any] = {
    "type": "record",
    "namespace": "office.notes",
    "name": "Note",
    "kind": "row",
    "fields": [
        {"name": "colour", "doc": "d", "type": {"type": "enum", "name": "Colour", "symbols": ["A"]}},
        {"name": "colours", "type": {"type": "array", "items": ["null", "Colour"]}},
    ],
}


def test_namespaces_that_the_context_implies_make_no_difference() -> None:
    spelled = json.loads(json.dumps(NOTE).replace('"Colour"]', '"office.notes.Colour"]'))
    del spelled["namespace"]
    spelled["name"] = "office.notes.Note"
    spelled["fields"][0]["type"]["namespace"] = "office.notes"
    assert canonical(spelled) == canonical(NOTE)


def test_the_order_of_attributes_makes_no_difference() -> None:
    assert canonical(json.loads(json.dumps(SCHEMA, sort_keys=True))) == canonical(SCHEMA)


@pytest.mark.parametrize(
    ("old", "new", "same_shape"),
    [
        ('"kind": "row"', '"kind": "event"', True),
        ('"doc": "d"', '"doc": "e"', True),
        ('["A"]', '["A", "B"]', False),
        ('"array", "items"', '"map", "values"', False),
        ('"office.notes"', '"office.others"', False),
    ],
)
def test_schema_equality_sees_what_makes_a_difference(old: str, new: str, same_shape: bool) -> None:
    other = json.loads(json.dumps(NOTE).replace(old, new))
    assert canonical(other) != canonical(NOTE)
    assert (shape(other) == shape(NOTE)) == same_shape


def test_bounds_do_not_decide_how_bytes_are_read() -> None:
    def items(node: Any) -> Any:
        return shape({**NOTE, "fields": [{"name": "names", "type": {"type": "array", "items": node}, "maxItems": 2}]})

    assert items({"type": "string", "maxLength": 3}) == items("string")
