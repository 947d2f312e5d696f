"""Reading: what another schema wrote becomes a value of ours or is undecodable, as are bytes that are no values."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest

from tests.kit.contract_projects import record
from tests.kit.contracts_made import made
from tests.kit.notes import CATALOG, EVENT, changed
from tests.kit.samples.office.notes import NoteTaken
from verbwire.contracts.schema.model import Contract
from verbwire.errors import ContractError, UndecodableError
from verbwire.messages import Message
from verbwire.wire.avro.framing import frame
from verbwire.wire.avro.frozen_map import FrozenMap
from verbwire.wire.avro.generic_classes import record_class
from verbwire.wire.avro.messages import Encoder, Reader

TAKEN = CATALOG.of(EVENT)
TIMESTAMP = {"type": "long", "logicalType": "timestamp-millis"}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"], "default": "RED"}
INNER = {
    "type": "record",
    "name": "Inner",
    "fields": [
        {"name": "raw", "type": "bytes", "default": "\u00ff"},
        {"name": "paid", "type": PRICE, "default": "1"},
        {"name": "at", "type": TIMESTAMP, "default": 1000},
    ],
}


def holding(*fields: dict[str, Any], kind: str = "event") -> dict[str, Any]:
    """The schema of a message of these fields."""
    return record("Made", [{"name": "id", "type": "string"}, *fields], kind=kind, key="id")


DEFAULTS: list[tuple[Any, Any, Any]] = [
    ("bytes", "abcd", b"abcd"),
    ({"type": "fixed", "name": "Four", "size": 4}, "ab\u00fe\u00ff", b"ab\xfe\xff"),
    (PRICE, "1", Decimal("0.49")),
    ({"type": "int", "logicalType": "date"}, 1, date(1970, 1, 2)),
    ({"type": "int", "logicalType": "time-millis"}, 1, time(0, 0, 0, 1000)),
    ({"type": "long", "logicalType": "time-micros"}, 1, time(0, 0, 0, 1)),
    (TIMESTAMP, 0, datetime(1970, 1, 1, tzinfo=UTC)),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, 1, datetime(1970, 1, 1, 0, 0, 0, 1)),
    ("float", 0.1, 0.10000000149011612),
    ("double", 1, 1.0),
    ("boolean", True, True),
    ([TIMESTAMP, "null"], 0, datetime(1970, 1, 1, tzinfo=UTC)),
    ({"type": "array", "items": PRICE}, ["1"], (Decimal("0.49"),)),
    ({"type": "map", "values": "bytes"}, {"a": "\u00ff"}, FrozenMap(a=b"\xff")),
]


@pytest.mark.parametrize(("avro_type", "default", "value"), DEFAULTS)
@pytest.mark.parametrize("kind", ["event", "row"])
def test_an_old_record_has_the_default_of_a_field_it_lacks(
    tmp_path: Path, avro_type: Any, default: Any, value: Any, kind: str
) -> None:
    catalog, module = made(tmp_path, holding({"name": "more", "type": avro_type, "default": default}, kind=kind))
    contract, cls = catalog.find("Made"), module["Made"]
    old = {**contract.schema, "fields": contract.schema["fields"][:1]}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, old, {"id": "1"})
    found: Any = Reader(contract, cls, old)(frame(1) + body.getvalue())
    assert (found, type(found.more), found.more) == (cls(id="1"), type(value), value)
    assert Encoder(contract, 1).normal(found) is found
    loose: Any = Reader(contract, record_class(contract), old)(frame(1) + body.getvalue())
    assert (type(loose.more), loose.more) == (type(value), value)


def test_old_records_inside_a_record_have_their_defaults_too(tmp_path: Path) -> None:
    fields = [{"name": "one", "type": INNER}, {"name": "all", "type": {"type": "array", "items": "Inner"}}]
    catalog, module = made(tmp_path, holding(*fields))
    contract, cls, inside = catalog.find("Made"), module["Made"], module["Inner"]
    old = json.loads(json.dumps(contract.schema))
    old["fields"][1]["type"]["fields"] = old["fields"][1]["type"]["fields"][:1]
    body = io.BytesIO()
    fastavro.schemaless_writer(body, old, {"id": "1", "one": {"raw": b"r"}, "all": [{"raw": b"s"}, {"raw": b"t"}]})
    found = Reader(contract, cls, old)(frame(1) + body.getvalue())
    assert found == cls(id="1", one=inside(raw=b"r"), all=(inside(raw=b"s"), inside(raw=b"t")))


@pytest.mark.parametrize(
    ("theirs", "written", "ours", "read"),
    [
        ("int", 5, "long", 5),
        ("int", 5, "double", 5.0),
        ("long", 2**53 + 1, "double", None),
        ("long", 16_777_217, "float", 16_777_216.0),
        ("float", 0.5, "double", 0.5),
        ("string", "ä", "bytes", "ä".encode()),
        ("bytes", b"\xc3\xa4", "string", "ä"),
        ("bytes", b"\xff", "string", None),
        (["null", "int"], 5, "int", 5),
        (["null", "int"], None, "int", None),
        ("int", 5, ["null", "double"], 5.0),
        ({"type": "array", "items": "int"}, [5], {"type": "array", "items": "double"}, (5.0,)),
        ({"type": "enum", "name": "Colour", "symbols": ["BLUE", "GREEN"]}, "BLUE", COLOUR, "RED"),
        ({"type": "enum", "name": "Colour", "symbols": ["BLUE", "GREEN"]}, "GREEN", COLOUR, "GREEN"),
        ("string", "2020-01-01", {"type": "int", "logicalType": "date"}, ContractError),
        ("long", 5, TIMESTAMP, ContractError),
        ("string", "1.50", PRICE, ContractError),
        ({**PRICE, "scale": 1}, Decimal("1.5"), PRICE, "1.50"),
        (PRICE, Decimal("1.55"), {**PRICE, "scale": 1}, None),
    ],
)
def test_a_wider_type_takes_what_a_narrower_wrote_exactly_or_not(
    tmp_path: Path, theirs: Any, written: Any, ours: Any, read: Any
) -> None:
    catalog, module = made(tmp_path, holding({"name": "it", "type": ours}))
    contract, cls = catalog.find("Made"), module["Made"]
    old = {**contract.schema, "fields": [contract.schema["fields"][0], {"name": "it", "type": theirs}]}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, old, {"id": "1", "it": written})
    if read is ContractError:
        with pytest.raises(ContractError, match="it: "):
            Reader(contract, cls, old)
        return
    reader = Reader(contract, cls, old)
    if read is None:
        with pytest.raises(UndecodableError):
            reader(frame(1) + body.getvalue())
        return
    found: Any = reader(frame(1) + body.getvalue())
    assert str(found.it) == str(read)


def foreign(contract: Contract, *parts: bytes) -> bytes:
    return frame(1) + b"\x02x" + b"".join(parts)


LONG_INT = bytes([0x80, 0x80, 0x80, 0x80, 0x80, 0x20])  # 2**39


@pytest.mark.parametrize(
    ("avro_type", "body"),
    [
        (COLOUR, b"\x01"),  # symbol -1
        (COLOUR, b"\x04"),  # symbol 2
        (["null", "string"], b"\x01\x02a"),  # branch -1
        (["null", "string"], b"\x03\x02a"),
        (["null", "boolean", "bytes"], b"\x02\x02"),
        ("boolean", b"\x02"),
        ("boolean", b"\x80"),
        (["null", "boolean"], b"\x02\xff"),
        ({"type": "array", "items": "boolean"}, b"\x02\x02\x00"),
        ("int", LONG_INT),
        (["null", "int"], b"\x02" + LONG_INT),
        ({"type": "array", "items": "int"}, b"\x02" + LONG_INT + b"\x00"),
        ({"type": "map", "values": "int"}, b"\x02\x02a" + LONG_INT + b"\x00"),
        (
            {"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]}},
            b"\x02" + LONG_INT + b"\x00",
        ),
        ({"type": "int", "logicalType": "time-millis"}, b"\x01"),  # -1 ms
        ({"type": "long", "logicalType": "time-micros"}, b"\x01"),
        ({"type": "int", "logicalType": "time-millis"}, bytes([0x80, 0xF0, 0xB2, 0x52])),  # 24 hours
        (PRICE, b"\x06\x0f\x42\x40"),  # 1000000: seven digits
        (PRICE, b"\x00"),
        ("string", b"\x02\xff"),
        ("bytes", b"\x01"),  # -1 bytes
        ({"type": "string", "logicalType": "uuid"}, b"\x02a"),
    ],
)
def test_foreign_bytes_are_no_values(tmp_path: Path, avro_type: Any, body: bytes) -> None:
    catalog, module = made(tmp_path, holding({"name": "it", "type": avro_type}))
    contract = catalog.find("Made")
    with pytest.raises(UndecodableError):
        Reader(contract, module["Made"], contract.schema)(foreign(contract, body))


def test_a_field_that_is_unknown_here_is_read_all_the_same() -> None:
    newer = {**TAKEN.schema, "fields": [*TAKEN.schema["fields"], {"name": "new", "type": "string", "default": ""}]}
    value = Encoder(TAKEN, 1)(EVENT)
    read = Reader(TAKEN, NoteTaken, newer)
    assert read(value + b"\x04ab") == EVENT
    for short in (b"\x06ab", b"\x01ab"):
        with pytest.raises(UndecodableError):
            read(value + short)


def test_names_of_fields_may_move_on_by_their_aliases() -> None:
    fields = [dict(field) for field in TAKEN.schema["fields"]]
    names = [field["name"] for field in fields]
    words, author = names.index("words"), names.index("author")
    older = json.loads(json.dumps({**TAKEN.schema, "fields": fields}))
    older["fields"][words]["name"], older["fields"][author]["name"] = "text", "writer"
    fields[words]["aliases"], fields[author]["aliases"] = ["text"], ["writer"]
    ours = changed(TAKEN, fields=fields)
    value = Encoder(TAKEN, 1)(EVENT)
    found: Message = Reader(ours, NoteTaken, older)(value)
    assert found == EVENT
    assert msgspec.structs.asdict(found) == msgspec.structs.asdict(EVENT)


def test_a_schema_that_spells_out_to_millions_of_places_is_planned_at_once() -> None:
    """Thirty records, each of which has the one before it twice: 2**30 places of which each is planned once."""
    node: Any = {"type": "record", "name": "R0", "fields": [{"name": "a", "type": "int"}]}
    for number in range(1, 30):
        twice = [{"name": "a", "type": node}, {"name": "b", "type": f"R{number - 1}"}]
        node = {"type": "record", "name": f"R{number}", "fields": twice}
    theirs = {**TAKEN.schema, "fields": [*TAKEN.schema["fields"], {"name": "more", "type": node}]}
    Reader(TAKEN, NoteTaken, theirs)
