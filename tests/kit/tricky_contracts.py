"""A project whose schemas use everything that classes are generated from, with names that invite mistakes."""

from __future__ import annotations

from typing import Any

from tests.kit.contract_projects import event, record

MONEY = record(
    "Money",
    [{"name": "pence", "type": "long"}, {"name": "currency", "type": "string", "default": 'the "GBP"'}],
    namespace="shop.common",
    doc='An amount, "exact"',
)
LINE = record(
    "Line",
    [
        {"name": "price", "type": "shop.common.Money", "default": {"pence": -5}},
        {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {"a": 'it\'s "b"\n'}},
    ],
)
STATUS: dict[str, Any] = {
    "type": "enum",
    "namespace": "shop.carts",
    "name": "Status",
    "symbols": ["OPEN", "none", "Class"],
}


def logical(avro_type: str, logical_type: str, **more: Any) -> dict[str, Any]:
    return {"type": avro_type, "logicalType": logical_type, **more}


EVERYTHING = event(
    "EverythingHappened",
    [
        {"name": "str", "type": "string", "default": "hides the type str\t\\"},
        {"name": "datetime", "type": logical("long", "timestamp-millis"), "default": 86_400_001},
        {"name": "UUID", "type": ["null", logical("string", "uuid")], "default": None},
        {
            "name": "uuid",
            "type": logical("string", "uuid"),
            "default": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        },
        {"name": "date", "type": logical("int", "date"), "default": 1, "doc": 'A day. Its name is "date"'},
        {"name": "time", "type": logical("int", "time-millis"), "default": 3_600_000},
        {"name": "at", "type": logical("long", "time-micros"), "default": 0},
        {"name": "local", "type": logical("long", "local-timestamp-micros"), "default": 0},
        {
            "name": "price",
            "type": logical("bytes", "decimal", precision=4, scale=2),
            "default": "\u00ff\u0085",
        },
        {
            "name": "rate",
            "type": logical("fixed", "decimal", name="Rate", size=8, precision=9, scale=3),
        },
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}, "default": '\u0000"\\\u00ff'},
        {"name": "raw", "type": "bytes", "default": ""},
        {"name": "flag", "type": "boolean", "default": True},
        {"name": "weight", "type": "double", "default": 1},
        {"name": "mass", "type": "float", "default": 1e30},
        {"name": "either", "type": ["string", "long", "null"], "default": "x"},
        {"name": "nothing", "type": "null", "default": None},
        {"name": "status", "type": "Status", "default": "none"},
        {"name": "statuses", "type": {"type": "array", "items": "Status"}, "default": ["OPEN"]},
        {"name": "line", "type": "Line", "default": {"tags": {}}},
        {"name": "lines", "type": {"type": "array", "items": ["null", "Line"]}, "default": []},
        {"name": "counts", "type": {"type": "map", "values": {"type": "array", "items": "int"}}, "default": {}},
        {"name": "l", "type": "int", "doc": "A name that ruff finds ambiguous."},
        {"name": "mixedCase", "type": "int"},
        {
            "name": "field_with_a_very_long_name_that_would_never_fit_on_one_line_of_the_file",
            "type": "string",
            "default": "and a default that makes it longer than any line may be",
        },
    ],
    doc='Ends in a quote and holds others: """. A path: C:\\temp. \u2013 and a dash.\n\n'
    + "A second paragraph that is so long that it has to be broken, "
    + "because no line of a program is longer than its reader can take in with one look.\n\n"
    + '- a list\n- of two "things"',
)
LONG_NAME = event(
    "TheCustomerWhoseAccountHadBeenClosedWasInvitedToOpenAnotherOneAndHasAcceptedWithoutReading" + "Terms" * 2, {}
)
COMMAND = record(
    "OpenCart",
    {"cart_id": "string"},
    kind="command",
    key="cart_id",
    requires=["carts:write"],
    rejections=["too_late", "already_open"],
    reply="OpenReceipt",
)
RECEIPT = record("OpenReceipt", {"cart_id": "string", "line": ["null", "Line"]}, kind="reply")
ROW = record("CartRow", {"cart_id": "string", "line": ["null", "Line"]}, kind="row", key="cart_id")
QUERY = record("ListCarts", {}, kind="query", reply="CartRow")
# Contexts that use types of one another reply with each other's records, and one of them to a message inside of it.
CROSSING = record(
    "CountCarts", {"shop": "string"}, namespace="shop.common", kind="query", many=True, reply="shop.carts.CartRow"
)
ALSO_CROSSING = record(
    "HoldCart", {"cart_id": "string"}, kind="command", key="cart_id", reply="shop.common.HoldReceipt"
)
HELD = record("HoldReceipt", {"cart_id": "string"}, namespace="shop.common", kind="reply")
INSIDE = record("RepeatCart", {"cart_id": "string"}, kind="command", key="cart_id", reply="RepeatReceipt")
REPEATED = record("RepeatReceipt", {"cart_id": "string", "asked": "RepeatCart"}, kind="reply", key="cart_id")
CROSSINGS = [CROSSING, ALSO_CROSSING, HELD, INSIDE, REPEATED]
NAMES_OF_OURS = record("Command", {"Event": "int"})

MANY = [record(f"Measure{number}InMetricUnits", {"x": "int"}, namespace="shop.common") for number in range(1, 12)]
USES_MANY = event("MeasuresTaken", {f"m{number}": f"shop.common.{each['name']}" for number, each in enumerate(MANY)})

PROJECT = [
    *MANY,
    USES_MANY,
    MONEY,
    LINE,
    STATUS,
    EVERYTHING,
    LONG_NAME,
    COMMAND,
    RECEIPT,
    ROW,
    QUERY,
    *CROSSINGS,
    NAMES_OF_OURS,
]
