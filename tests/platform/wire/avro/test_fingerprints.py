"""Fingerprints: the same command has the same one however it was written, another has another."""

from __future__ import annotations

import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest

from tests.kit.contract_projects import record
from tests.kit.notes import CATALOG, COMMAND, EVENT, changed, with_field
from tests.kit.samples.office.notes import NoteTaken, TakeNote
from verbwire.contracts.schema.model import Schema
from verbwire.contracts.schema.tree import record_of
from verbwire.wire.avro.fingerprints import Fingerprints
from verbwire.wire.avro.framing import frame
from verbwire.wire.avro.messages import Encoder, Reader

TAKEN = CATALOG.of(EVENT)
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
TAGS = {"type": "map", "values": "double"}
LINE = {"type": "record", "name": "Line", "fields": [{"name": "code", "type": "string"}]}
LINES: Any = {"type": "array", "items": LINE}


def schema(**types: Any) -> Schema:
    """A command of these fields; a pair is a type and its default."""
    fields = [
        {"name": name, "type": each[0], "default": each[1]} if isinstance(each, tuple) else {"name": name, "type": each}
        for name, each in types.items()
    ]
    return record("Act", fields, kind="command", key="id")


def written(schema: Schema, values: Mapping[str, Any]) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema, named_schemas={}), dict(values))
    return frame(1) + body.getvalue()


def of(schema: Schema, values: Mapping[str, Any]) -> bytes:
    return Fingerprints(record_of(schema)).of_value(written(schema, values))


PLAIN = schema(id="string", n="int")
WIDER = {**LINE, "fields": [{"name": "code", "type": "string"}, {"name": "n", "type": "int", "default": 1}]}
Written = tuple[Schema, dict[str, Any]]
PLAIN_5: Written = PLAIN, {"id": "1", "n": 5}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            (schema(id="string", tags=TAGS), {"id": "1", "tags": {"a": 1.0, "b": 2.0}}),
            (schema(id="string", tags=TAGS), {"id": "1", "tags": {"b": 2.0, "a": 1.0}}),
        ),
        (
            (schema(id="string", x="double"), {"id": "1", "x": 0.0}),
            (schema(id="string", x="double"), {"id": "1", "x": -0.0}),
        ),
        (
            (schema(id="string", x="float"), {"id": "1", "x": 0.0}),
            (schema(id="string", x="float"), {"id": "1", "x": -0.0}),
        ),
        (PLAIN_5, (schema(id="string", n="int", more=("string", "")), {"id": "1", "n": 5, "more": ""})),
        (PLAIN_5, (schema(id="string", more=(["null", "int"], None), n="int"), {"id": "1", "n": 5, "more": None})),
        (PLAIN_5, (schema(id="string", n="int", more=(DECIMAL, "A")), {"id": "1", "n": 5, "more": Decimal("0.65")})),
        (PLAIN_5, (schema(id="string", n="int", more=("double", 0)), {"id": "1", "n": 5, "more": -0.0})),
        (PLAIN_5, (schema(id="string", n="int", more=(LINES, [])), {"id": "1", "n": 5, "more": []})),
        (
            PLAIN_5,
            (schema(id="string", n="int", more=(LINE, {"code": "x"})), {"id": "1", "n": 5, "more": {"code": "x"}}),
        ),
        (PLAIN_5, (schema(n="int", id="string"), {"n": 5, "id": "1"})),
        (PLAIN_5, (schema(id="string", n="long"), {"n": 5, "id": "1"})),
        (PLAIN_5, (schema(id="string", n="double"), {"n": 5, "id": "1"})),
        (
            (schema(id="string", all=LINES), {"id": "1", "all": [{"code": "x"}]}),
            (schema(id="string", all={**LINES, "items": WIDER}), {"id": "1", "all": [{"code": "x", "n": 1}]}),
        ),
    ],
)
def test_a_command_has_one_fingerprint_however_it_is_written(one: Written, other: Written) -> None:
    assert written(*one) != written(*other) or one[0] != other[0]
    assert of(*one) == of(*other)
    assert len(of(*one)) == 16


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN_5, (PLAIN, {"id": "1", "n": 6})),
        (PLAIN_5, (PLAIN, {"id": "2", "n": 5})),
        (PLAIN_5, (schema(id="string", n="int", more=("string", "")), {"id": "1", "n": 5, "more": "x"})),
        (PLAIN_5, (schema(id="string", n="string"), {"id": "1", "n": "5"})),
        (PLAIN_5, (schema(id="string", m="int"), {"id": "1", "m": 5})),
        (PLAIN_5, ({**PLAIN, "name": "Other"}, {"id": "1", "n": 5})),
        (
            (schema(id="string", it=(["null", "boolean", "long"], None)), {"id": "1", "it": False}),
            (schema(id="string", it=(["null", "boolean", "long"], None)), {"id": "1", "it": 0}),
        ),
        (
            (schema(id="string", it=(["boolean", "long"], False)), {"id": "1", "it": False}),
            (schema(id="string", it=(["boolean", "long"], False)), {"id": "1", "it": 0}),
        ),
    ],
)
def test_another_command_has_another_fingerprint(one: Written, other: Written) -> None:
    assert of(*one) != of(*other)


def test_who_sends_and_who_reads_tell_the_same() -> None:
    contract = CATALOG.of(COMMAND)
    older = changed(contract, fields=[each for each in contract.schema["fields"] if each["name"] != "priority"])
    mine = Encoder(contract, 1).fingerprint(COMMAND)
    value = Encoder(contract, 1)(COMMAND)
    assert Reader(contract, TakeNote, contract.schema).fingerprint(COMMAND, value) == mine
    assert Reader(older, TakeNote, contract.schema).fingerprint(COMMAND, value) == mine


def test_who_sends_need_not_give_values_in_their_normal_form() -> None:
    contract = CATALOG.of(EVENT)
    event = msgspec.structs.replace(EVENT, price=Decimal("1.5"), tags={"b": 1, "a": 2}, share=0.1)
    value = Encoder(contract, 1)(event)
    message = Reader(contract, NoteTaken, contract.schema)(value)
    assert Encoder(contract, 1).fingerprint(event) == Fingerprints(contract.tree).of_value(value)
    assert Reader(contract, NoteTaken, contract.schema).fingerprint(message, value) == Encoder(contract, 1).fingerprint(
        event
    )


def test_fingerprints_stay_what_they_are() -> None:
    """They stand in outcome logs, and in tokens that were handed out."""
    command = TakeNote(note_id="n1", words="buy tea", priority=3)
    assert Encoder(CATALOG.of(COMMAND), 1).fingerprint(command).hex() == "7eb4c95484f177412bcc9fbb36c28ff0"
    event = Fingerprints(TAKEN.tree).of(Encoder(TAKEN, 1).normal(EVENT))
    assert event.hex() == "04bc1f633afa3a7965215ce06e558ac0"


def test_a_foreign_field_of_any_type_does_no_harm() -> None:
    contract = CATALOG.of(COMMAND)
    one, other = (
        {"type": "record", "name": name, "fields": [{"name": "n", "type": "int"}]} for name in ("One", "Other")
    )
    foreign = with_field(contract, name="more", type=["null", one, other], default=None)
    value = Encoder(contract, 1)(COMMAND)
    found = {
        Reader(contract, TakeNote, foreign.schema).fingerprint(COMMAND, value + more) for more in (b"\x00", b"\x02\x02")
    }
    assert len(found) == 2
