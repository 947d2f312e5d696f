"""Reading contracts: what a good project becomes, and that every mistake is told with file, field and advice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.kit.contract_projects import event, project, record
from verbwire.contracts.schema.load import load_catalog, read_catalog
from verbwire.errors import ContractError
from verbwire.messages import Kind
from verbwire.wire.keys import parse_key

SCHEMAS = Path(__file__).parents[3] / "schemas"
MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
STATUS = {"type": "enum", "namespace": "shop.carts", "name": "Status", "symbols": ["OPEN", "CLOSED"]}


def with_field(avro_type: Any, **more: Any) -> dict[str, Any]:
    return event("CartOpened", [{"name": "x", "type": avro_type, **more}])


def command(**more: Any) -> dict[str, Any]:
    return record("OpenCart", {"cart_id": "string", "at": MOMENT}, **{"kind": "command", "key": "cart_id", **more})


def test_the_reference_domain_loads_with_all_its_attributes() -> None:
    catalog = load_catalog(SCHEMAS)
    check_out = catalog.find("CheckOutCart")
    assert check_out.name == "shop.carts.CheckOutCart"
    assert check_out.kind is Kind.COMMAND
    assert check_out.key == ("cart_id",)
    assert check_out.time == "checked_out_at"
    assert check_out.rejections == {"empty_cart", "already_checked_out"}
    assert check_out.requires == {"carts:write"}
    assert catalog.find("GetCart").reply == "shop.carts.CartRow"
    assert "shop.carts.CartStatus" in catalog.types


def test_every_schema_stands_alone_and_its_text_is_what_it_says() -> None:
    for contract in load_catalog(SCHEMAS):
        assert json.loads(contract.text) == contract.schema
        fastavro.parse_schema(json.loads(contract.text), named_schemas={})


def test_a_shared_type_is_spelled_out_once_and_named_after_that(tmp_path: Path) -> None:
    both = event("CartMoved", {"before": "Status", "after": ["null", "shop.carts.Status"]})
    before, after = load_catalog(project(tmp_path, STATUS, both)).find("CartMoved").schema["fields"][1:]
    assert before["type"]["symbols"] == ["OPEN", "CLOSED"]
    assert after["type"] == ["null", "shop.carts.Status"]


def test_a_row_inside_a_reply_says_nothing_of_its_own_kind(tmp_path: Path) -> None:
    row = record("CartRow", {"cart_id": "string"}, kind="row", key="cart_id")
    page = record("CartPage", {"carts": {"type": "array", "items": "CartRow"}})
    query = record("ListCarts", {}, kind="query", reply="CartPage")
    catalog = load_catalog(project(tmp_path, row, page, query))
    inner = catalog.types["shop.carts.CartPage"].schema["fields"][0]["type"]["items"]
    assert inner["name"] == "CartRow"
    assert "kind" not in inner
    assert "key" not in inner


def test_a_command_is_replied_to_with_a_record_of_that_kind(tmp_path: Path) -> None:
    row = record("Receipt", {"cart_id": "string"}, kind="row", key="cart_id")
    for wrong, said in [(record("Receipt", {"cart_id": "string"}), "a part of others"), (row, "of kind row")]:
        with pytest.raises(ContractError, match=rf'"reply".*Receipt is {said}.* give it "kind": "reply"'):
            load_catalog(project(tmp_path, wrong, command(reply="Receipt")))
    reply = record("Receipt", {"cart_id": "string"}, kind="reply")  # it is kept under no key, and needs none
    catalog = load_catalog(project(tmp_path, reply, command(reply="Receipt")))
    assert "shop.carts.Receipt" in {each.reply for each in catalog}


def test_a_query_is_not_answered_by_the_state_of_an_aggregate(tmp_path: Path) -> None:
    state = record("Cart", {"cart_id": "string"}, kind="state", key="cart_id")
    query = record("GetCart", {"cart_id": "string"}, kind="query", key="cart_id", reply="Cart")
    with pytest.raises(ContractError, match=r'"reply".*Cart is of kind state: a query is answered by'):
        load_catalog(project(tmp_path, state, query))


def test_the_fingerprint_ignores_layout_and_follows_content(tmp_path: Path) -> None:
    schema = event("CartOpened", {"lines": "int"})
    first = load_catalog(project(tmp_path, schema)).find("CartOpened")
    again = load_catalog(project(tmp_path, dict(reversed(schema.items())))).find("CartOpened")
    other = load_catalog(project(tmp_path, {**schema, "doc": "New."})).find("CartOpened")
    assert again.fingerprint == first.fingerprint
    assert other.fingerprint != first.fingerprint


def test_rows_of_windows_have_a_key_of_several_fields_with_a_time(tmp_path: Path) -> None:
    row = record("SalesRow", {"minute": MOMENT, "shop_id": "string"}, kind="row", key=["shop_id", "minute"])
    assert load_catalog(project(tmp_path, row)).find("SalesRow").key == ("shop_id", "minute")


def test_attributes_of_other_tools_are_kept(tmp_path: Path) -> None:
    schema = event("CartOpened", {}, **{"connect.version": 3})
    assert load_catalog(project(tmp_path, schema)).find("CartOpened").schema["connect.version"] == 3


KEYABLE = ["string", "int", "long", "bytes", {"type": "string", "logicalType": "uuid"}]


@pytest.mark.parametrize("avro_type", KEYABLE, ids=str)
def test_types_that_can_be_a_key(tmp_path: Path, avro_type: Any) -> None:
    schema = record("CartOpened", {"id": avro_type}, kind="event", key="id")
    assert load_catalog(project(tmp_path, schema)).find("CartOpened").key == ("id",)


NO_KEY = {
    "double": "double",
    "boolean": "boolean",
    "array": {"type": "array", "items": "string"},
    "record": {"type": "record", "name": "Inner", "fields": [{"name": "y", "type": "int"}]},
    "union": ["null", "string"],
    "timestamp-millis": MOMENT,
    "decimal": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
}


@pytest.mark.parametrize("name", NO_KEY)
def test_types_that_cannot_be_a_key(tmp_path: Path, name: str) -> None:
    schema = record("CartOpened", {"id": NO_KEY[name]}, kind="event", key="id")
    with pytest.raises(ContractError, match=rf'CartOpened.avsc: "key": \'id\' is .*{name}.* cannot be a key'):
        load_catalog(project(tmp_path, schema))


# A schema, and words that its error message has to hold beside the file's name.
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "kind unknown": (command(kind="comand"), ['"kind"', "did you mean 'command'"]),
    "attribute misspelled": (command(rejection=["a"]), ['"rejection"', "did you mean 'rejections'"]),
    "attribute of a field misspelled": (with_field("int", defualt=1), ["field x", '"defualt"', "'default'"]),
    "attribute of a type misspelled": (with_field({"type": "array", "item": "int"}), ["field x", '"items"']),
    "namespace missing": ({**command(), "namespace": None}, ['"namespace"', "is missing"]),
    "namespace not dotted lower-case": (command(namespace="Shop.Carts"), ['"namespace"', "lower-case"]),
    "key missing": (record("OpenCart", {"id": "string"}, kind="command"), ['"key"', "is missing", "there are id"]),
    "key no field": (command(key="cart"), ['"key"', "did you mean 'cart_id'"]),
    "key no text": (command(key=7), ['"key"', "the name of a field"]),
    "key of several fields": (command(key=["cart_id", "at"]), ['"key"', "only rows of windows"]),
    "time no field": (command(time="when"), ['"time"', "'when' is no field"]),
    "time no time": (command(time="cart_id"), ['"time"', "'cart_id' is string", "timestamp-millis"]),
    "rejections of an event": (event("CartOpened", {}, rejections=["late"]), ['"rejections"', "cannot be refused"]),
    "rejections not snake_case": (command(rejections=["TooLate"]), ['"rejections"', "'TooLate'", "snake_case"]),
    "rejections twice": (command(rejections=["late", "late"]), ['"rejections"', "twice"]),
    "rejections no list": (command(rejections="late"), ['"rejections"', "is a list"]),
    "requires with a space": (command(requires=["a b"]), ['"requires"', "'a b'"]),
    "requires of a row": (record("Cart", {"id": "int"}, kind="row", key="id", requires=["x"]), ['"requires"', "row"]),
    "public and requires": (command(public=True, requires=["x"]), ['"public"', "contradicts"]),
    "public no boolean": (command(public="yes"), ['"public"', "without quotes"]),
    "reply unknown": (command(reply="Recept"), ['"reply"', "Recept"]),
    "rejected as forbidden": (command(rejections=["forbidden"]), ['"rejections"', "'forbidden' is verbwire's own"]),
    "rejected as id_reused": (command(rejections=["id_reused"]), ['"rejections"', "'id_reused' is verbwire's own"]),
    "reply of an event": (event("CartOpened", {}, reply="CartOpened"), ['"reply"', "remove it"]),
    "response none with reply": (command(response="none", reply="X"), ['"response"', "contradicts"]),
    "response none with rejections": (command(response="none", rejections=["late"]), ['"response"', "contradicts"]),
    "response unknown": (command(response="no"), ['"response"', "'no' is unknown"]),
    "response of a query": (record("GetCart", {}, kind="query", response="none"), ['"response"', "query"]),
    "attribute without kind": (record("Money", {"pence": "long"}, key="pence"), ['"key"', 'add "kind"']),
    "field that is a keyword": (event("CartOpened", {"from": "int"}), ["field from", "keyword", "from_"]),
    "field with a dash": (event("CartOpened", {"a-b": "int"}), ["field a-b", "letters, digits and _"]),
    "field twice": (event("CartOpened", [{"name": "x", "type": "int"}] * 2), ["field x", "twice"]),
    "field without a name": (event("CartOpened", [{"type": "int"}]), ['"fields"', "number 2 has no name"]),
    "field without a type": (event("CartOpened", [{"name": "x"}]), ["field x", '"type"', "is missing"]),
    "message with an alias": (
        event("CartOpened", {}, aliases=["OpenedCart"]),
        ['"aliases"', "is not renamed", "beside it"],
    ),
    "row with an alias": (
        record("CartRow", {"id": "string"}, kind="row", key="id", aliases=["Cart"]),
        ['"aliases"', "a row is not renamed", "drop the old one when no topic holds it"],
    ),
    "aliases that are no list": (with_field("int", aliases="y"), ["field x", '"aliases"', "list of names"]),
    "aliases of a type that are no names": (
        with_field({"type": "enum", "name": "E", "symbols": ["A"], "aliases": ["a b"]}),
        ["field x", '"aliases"', "list of names"],
    ),
    "alias of another field's name": (
        event("CartOpened", [{"name": "x", "type": "int"}, {"name": "y", "type": "int", "aliases": ["x"]}]),
        ["field x", "is an alias, and is there beside it"],
    ),
    "alias of two fields": (
        event("CartOpened", [{"name": name, "type": "int", "aliases": ["z"]} for name in "xy"]),
        ["field z", "is an alias, and is there beside it"],
    ),
    "field personal by text": (with_field("int", personal="true"), ["field x", '"personal"', "true or false"]),
    "type unknown": (with_field("strin"), ["field x", "no type shop.carts.strin", "did you mean 'string'"]),
    "type unknown, deep": (with_field({"type": "array", "items": "Stat"}), ["field x[]", "Stat"]),
    "enum not spelled out": (with_field("enum", symbols=["A"]), ["field x", "spelled out"]),
    "enum with a symbol twice": (
        with_field({"type": "enum", "name": "E", "symbols": ["A", "a"]}),
        ["field x", '"symbols"', "twice"],
    ),
    "enum with another default": (
        with_field({"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}),
        ["field x", '"default"', "'B' is none"],
    ),
    "name of a class": (event("cart_opened", {}), ['"name"', "CapWords"]),
    "logical type misspelled": (
        with_field({"type": "long", "logicalType": "timestamp-milis"}),
        ["field x", "did you mean 'timestamp-millis'"],
    ),
    "logical type on another type": (with_field({**MOMENT, "type": "int"}), ["field x", "stands on long, not on int"]),
    "decimal without precision": (with_field({"type": "bytes", "logicalType": "decimal"}), ["field x", '"precision"']),
    "decimal too long for its bytes": (
        with_field({"type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 5}),
        ["field x", '"size"', "too few"],
    ),
    "union in a union": (with_field(["null", ["int"]]), ["field x", "directly inside a union"]),
    "nested too deep": (
        with_field(json.loads('{"type":"array","items":' * 250 + '"int"' + "}" * 250)),
        ["more than 200 deep"],
    ),
    "type of another namespace inside": (
        with_field({"type": "record", "name": "Y", "namespace": "other", "fields": []}),
        ["field x", "other.Y", "leave its namespace out"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_told_with_file_and_place(tmp_path: Path, case: str) -> None:
    schema, words = WRONG[case]
    folder = project(tmp_path, {**schema, "namespace": schema["namespace"] or "shop.carts"})
    file = next(folder.rglob("*.avsc"))
    file.write_text(json.dumps({key: value for key, value in schema.items() if value is not None}))
    with pytest.raises(ContractError) as caught:
        load_catalog(folder)
    line = next((line for line in str(caught.value).splitlines() if all(word in line for word in words)), None)
    assert line is not None, str(caught.value)
    assert line.startswith(f"{file}: ")


DEFAULTS = [
    ("int", "1"),
    ("int", 2**31),
    ("long", 1.5),
    ("boolean", 0),
    ("string", None),
    ("bytes", "\u0100"),
    (["null", "string"], ""),
    (["string", "null"], None),
    ({"type": "array", "items": "int"}, ["a"]),
    ({"type": "map", "values": "int"}, []),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, "B"),
    ({"type": "fixed", "name": "F", "size": 2}, "abc"),
    ({"type": "record", "name": "R", "fields": [{"name": "y", "type": "int"}]}, {}),
    ({"type": "record", "name": "R", "fields": [{"name": "y", "type": "int"}]}, {"y": 1, "z": 1}),
    ({"type": "string", "logicalType": "uuid"}, "not-a-uuid"),
    ({"type": "int", "logicalType": "date"}, 2**31 - 1),
    ({"type": "int", "logicalType": "time-millis"}, -1),
    ({"type": "bytes", "logicalType": "decimal", "precision": 2}, "\u0001\u0000"),
]


@pytest.mark.parametrize(("avro_type", "default"), DEFAULTS, ids=str)
def test_a_default_that_does_not_fit_is_refused(tmp_path: Path, avro_type: Any, default: Any) -> None:
    with pytest.raises(ContractError, match=r'CartOpened.avsc: field x, "default": .* (change|put|make)'):
        load_catalog(project(tmp_path, with_field(avro_type, default=default)))


def test_bad_json_is_told_with_line_and_column(tmp_path: Path) -> None:
    folder = project(tmp_path, command())
    file = folder / "carts" / "OpenCart.avsc"
    file.write_text('{"type": "record",\n "name": }')
    with pytest.raises(ContractError, match=r"OpenCart.avsc: is no JSON .* line 2 column 10"):
        load_catalog(folder)


def test_an_attribute_written_twice_is_refused(tmp_path: Path) -> None:
    folder = project(tmp_path, command())
    (folder / "carts" / "OpenCart.avsc").write_text('{"type": "record", "key": "a", "key": "b"}')
    with pytest.raises(ContractError, match=r'OpenCart.avsc: .*"key" is written twice'):
        load_catalog(folder)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("date", '{"type": "int", "logicalType": "date"}'),
        ("timestamp-millis", '{"type": "long", "logicalType": "timestamp-millis"}'),
        ("datetime", '{"type": "long", "logicalType": "timestamp-millis"}'),
        ({"type": "date"}, '{"type": "int", "logicalType": "date"}'),
        (["null", "uuid"], '{"type": "string", "logicalType": "uuid"}'),
    ],
)
def test_a_logical_type_that_is_written_as_a_type_is_told_how_it_is_written(
    tmp_path: Path, written: Any, meant: str
) -> None:
    _, (problem,) = read_catalog(project(tmp_path, with_field(written)))
    assert meant in str(problem)
    assert "field x" in str(problem)
    assert ".avsc" not in problem.message


def test_a_key_may_be_the_second_use_of_a_named_type(tmp_path: Path) -> None:
    shelf = {"type": "fixed", "name": "Shelf", "size": 4}
    moved = record("BookMoved", {"before": shelf, "after": "Shelf"}, kind="event", key="after")
    contract = load_catalog(project(tmp_path, moved)).find("BookMoved")
    assert contract.fields["after"] == contract.fields["before"]
    assert parse_key(contract, b"abcd") == (b"abcd",)
    lines = record("Line", {"number": "int"})
    wrong = record("BookMoved", {"before": lines, "after": "Line"}, kind="event", key="after")
    _, (problem,) = read_catalog(project(tmp_path, wrong))
    assert "'after' is record, which cannot be a key" in str(problem)


def test_the_file_is_named_like_the_record(tmp_path: Path) -> None:
    folder = project(tmp_path, command())
    (folder / "carts" / "OpenCart.avsc").rename(folder / "carts" / "Open.avsc")
    with pytest.raises(ContractError, match=r'Open.avsc: "name": .*rename the file to OpenCart.avsc'):
        load_catalog(folder)


def test_a_folder_holds_one_namespace(tmp_path: Path) -> None:
    folder = project(tmp_path, command())
    other = {**event("CartOpened", {}), "namespace": "shop.orders"}
    (folder / "carts" / "CartOpened.avsc").write_text(json.dumps(other))
    with pytest.raises(ContractError, match=r'OpenCart.avsc: "namespace": .*one namespace'):
        load_catalog(folder)


def test_a_type_is_defined_once(tmp_path: Path) -> None:
    inner = {"type": "record", "name": "Line", "fields": [{"name": "y", "type": "int"}]}
    folder = project(tmp_path, event("CartOpened", {"x": inner}), event("CartClosed", {"x": inner}))
    with pytest.raises(ContractError, match=r"CartOpened.avsc: field x: shop.carts.Line .*CartClosed.avsc already"):
        load_catalog(folder)


def test_a_type_inside_one_file_is_not_used_by_another(tmp_path: Path) -> None:
    inner = {"type": "record", "name": "Line", "fields": [{"name": "y", "type": "int"}]}
    folder = project(tmp_path, event("CartOpened", {"x": inner}), event("CartClosed", {"x": "Line"}))
    with pytest.raises(ContractError, match=r"CartClosed.avsc: field x: .*CartOpened.avsc: give it a file of its own"):
        load_catalog(folder)


def test_a_file_outside_a_context_is_refused(tmp_path: Path) -> None:
    folder = project(tmp_path, command())
    (folder / "carts" / "OpenCart.avsc").rename(folder / "OpenCart.avsc")
    with pytest.raises(ContractError, match=r"OpenCart.avsc: move it into a folder of its context"):
        load_catalog(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="there is no such folder: make it"):
        load_catalog(tmp_path / "schemas")


def test_all_mistakes_are_told_at_once_and_one_of_a_shared_type_once(tmp_path: Path) -> None:
    shared = record("Money", [{"name": "pence", "type": "long", "default": "none"}])
    users = [event("CartOpened", {"a": "Money", "b": "Money"}), event("CartClosed", {"a": "Money"}, time="cart_id")]
    _, problems = read_catalog(project(tmp_path, shared, *users))
    assert [(each.place.file.stem, each.place.attribute) for each in problems] == [
        ("CartClosed", "time"),
        ("Money", "default"),
    ]
