"""Schemas that could harm a reader, and unions that cannot be read back, are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.kit.contract_projects import event, project, record
from verbwire.contracts.schema.load import load_catalog, read_catalog
from verbwire.contracts.schema.problems import SchemaPlace
from verbwire.contracts.schema.unsafe import MAX_DEPTH, dangers
from verbwire.errors import ContractError

EMPTY = {"type": "record", "name": "Empty", "fields": []}
HOLLOW = {"type": "record", "name": "Hollow", "fields": [{"name": "e", "type": EMPTY}, {"name": "n", "type": "null"}]}

ZERO_WIDTH = {
    "null": "null",
    "null as an object": {"type": "null"},
    "empty record": EMPTY,
    "record of empty ones": HOLLOW,
    "fixed of no bytes": {"type": "fixed", "name": "Nothing", "size": 0},
}
SOME_WIDTH = {
    "union": ["null", "int"],
    "union of null alone": ["null"],
    "array": {"type": "array", "items": "int"},
    "enum": {"type": "enum", "name": "E", "symbols": ["A"]},
    "record with a field": {"type": "record", "name": "R", "fields": [{"name": "x", "type": "boolean"}]},
    "fixed": {"type": "fixed", "name": "F", "size": 1},
}


def texts(avro_type: Any) -> list[str]:
    schema = {"type": "record", "name": "M", "fields": [{"name": "x", "type": avro_type}]}
    fastavro.parse_schema(schema)  # each case is valid Avro
    return [str(each) for each in dangers(schema, SchemaPlace(Path("M.avsc")))]


@pytest.mark.parametrize("items", ZERO_WIDTH)
@pytest.mark.parametrize("container", ["items", "values"])
def test_items_that_take_no_bytes_are_refused(container: str, items: str) -> None:
    name = "array" if container == "items" else "map"
    (text,) = texts({"type": name, container: ZERO_WIDTH[items]})
    assert text.startswith(f"M.avsc: field x: the items of this {name} take no bytes")


@pytest.mark.parametrize("items", SOME_WIDTH)
def test_items_that_take_bytes_pass(items: str) -> None:
    assert texts({"type": "array", "items": SOME_WIDTH[items]}) == []


def test_a_type_of_no_width_is_found_behind_its_name_and_in_depth() -> None:
    inner = {"type": "record", "name": "R", "fields": [{"name": "y", "type": {"type": "array", "items": "Empty"}}]}
    both = {"type": "record", "name": "B", "fields": [{"name": "e", "type": EMPTY}, {"name": "r", "type": inner}]}
    (text,) = texts(both)
    assert "field x.r.y: " in text


def test_recursion_is_refused_in_the_namespaces_that_foreign_schemas_use() -> None:
    link = {"type": "record", "name": "a.Link", "fields": [{"name": "next", "type": ["null", "Link"]}]}
    (text,) = texts(link)
    assert text.startswith("M.avsc: field x.next: a.Link contains itself")


def test_types_nested_beyond_the_limit_are_refused() -> None:
    deep: Any = "int"
    for _ in range(MAX_DEPTH):
        deep = {"type": "array", "items": deep}
    assert "deeper than" in texts(deep)[0]
    assert texts(deep["items"]) == []


def test_files_that_contain_each_other_are_refused_naming_file_and_field(tmp_path: Path) -> None:
    parent = record("Parent", {"child": {"type": "array", "items": "Child"}})
    child = record("Child", {"parent": ["null", "Parent"]})
    folder = project(tmp_path, parent, child)
    with pytest.raises(ContractError, match=r"avsc: field (parent.child\[\]|child\[\].parent): .* contains itself"):
        load_catalog(folder)


def test_a_default_inside_recursion_does_not_hang(tmp_path: Path) -> None:
    me = record("Me", [{"name": "me", "type": "Me", "default": {}}])
    with pytest.raises(ContractError, match=r"Me.avsc: field me: shop.carts.Me contains itself"):
        load_catalog(project(tmp_path, me))


def test_a_dangerous_shared_type_is_told_of_once_not_by_every_message(tmp_path: Path) -> None:
    list_of_nothing = record("Nothings", {"x": {"type": "array", "items": "null"}})
    _, problems = read_catalog(project(tmp_path, list_of_nothing, event("CartOpened", {"y": "Nothings"})))
    assert [each.place.file.name for each in problems] == ["Nothings.avsc"]


UNIONS_THAT_PASS = [
    ["null", "string"],
    ["string", "null"],
    ["null", {"type": "array", "items": "string"}],
    ["null", {"type": "record", "name": "R", "fields": [{"name": "y", "type": "int"}]}],
    ["string", "long"],
    ["null", "boolean", "double", "bytes"],
]
UNIONS_THAT_FAIL = [
    (["null"], "write the type itself"),
    (["null", "int", "null"], "twice"),
    (["int", "long"], "told apart in Python"),
    (["long", "double"], "told apart in Python"),
    (["string", "bytes"], "told apart in Python"),
    (["string", {"type": "long", "logicalType": "timestamp-millis"}], "a nullable field for each"),
    (["string", {"type": "array", "items": "int"}], "a nullable field for each"),
    (
        [{"type": "enum", "name": "A", "symbols": ["X"]}, {"type": "fixed", "name": "B", "size": 1}],
        "a nullable field for each, or a message for each",
    ),
]


@pytest.mark.parametrize("union", UNIONS_THAT_PASS, ids=str)
def test_unions_that_can_be_told_apart_pass(tmp_path: Path, union: Any) -> None:
    assert load_catalog(project(tmp_path, event("CartOpened", {"x": union}))).find("CartOpened").fields["x"]


@pytest.mark.parametrize(("union", "advice"), UNIONS_THAT_FAIL, ids=str)
def test_unions_that_cannot_be_told_apart_are_refused(tmp_path: Path, union: Any, advice: str) -> None:
    schema = event("CartOpened", {"x": {"type": "map", "values": union}})
    with pytest.raises(ContractError, match=rf"CartOpened.avsc: field x\[\]: .*{advice}"):
        load_catalog(project(tmp_path, schema))
