"""The compiled codec: as fast as it is, it says what the reference says, or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hatch_build
from tests.kit.both_codecs import read_by_both, spoilt, write_by_both
from tests.kit.contract_projects import project, record
from tests.kit.contracts_made import made
from tests.kit.notes import CATALOG, COMMAND, EVENT, ROW
from tests.platform.contracts.test_round_trip import drawn_message
from verbwire.contracts.schema.load import load_catalog
from verbwire.errors import UndecodableError
from verbwire.messages import Message
from verbwire.wire.avro import compiled
from verbwire.wire.avro.framing import frame
from verbwire.wire.avro.generic_classes import record_class
from verbwire.wire.avro.messages import MISFITS, Encoder, Reader

ROOT = Path(__file__).parents[4]

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="no C compiler has built the compiled codec here")


def has_plans(encoder: Encoder, reader: Reader) -> bool:
    return encoder._compiled is not None and reader._compiled is not None


@pytest.mark.parametrize("message", [COMMAND, EVENT, ROW])
def test_the_compiled_codec_needs_no_reference(message: Message) -> None:
    contract = CATALOG.of(message)
    encoder, reader = Encoder(contract, 1), Reader(contract, type(message), contract.schema)
    assert has_plans(encoder, reader)
    assert reader._compiled is not None
    assert encoder._compiled is not None
    assert reader._compiled(encoder._compiled(message)) == message


def test_every_contract_of_the_shop_is_planned() -> None:
    for each in load_catalog(ROOT / "schemas"):
        assert has_plans(Encoder(each, 1), Reader(each, record_class(each), each.schema)), each.name


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_messages_of_any_schema_are_written_and_read_as_by_the_reference(data: st.DataObject) -> None:
    contract, message = drawn_message(data.draw)
    encoder, reader = Encoder(contract, 7), Reader(contract, type(message), contract.schema)
    assert has_plans(encoder, reader)
    assert encoder._compiled is not None
    assert encoder._compiled(message) == encoder._by_reference(message)
    assert encoder.all([message, message]) == [encoder._by_reference(message)] * 2
    read_by_both(reader, encoder(message))
    assert encoder._compiled.tidy(reader(encoder(message)))


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_spoilt_bytes_are_read_as_by_the_reference_or_not_at_all(data: st.DataObject) -> None:
    contract, message = drawn_message(data.draw)
    value = Encoder(contract, 7)(message)
    reader = Reader(contract, type(message), contract.schema)
    chance = data.draw(st.randoms(use_true_random=False))
    for _ in range(10):
        try:
            read_by_both(reader, spoilt(chance, value))
        except UndecodableError:
            continue


LONGS = record("Made", [{"name": "id", "type": "string"}, {"name": "n", "type": "long"}], kind="event", key="id")
ITEMS = {"type": "array", "items": "long"}
LISTS = record("Made", [{"name": "id", "type": "string"}, {"name": "n", "type": ITEMS}], kind="event", key="id")
ENTRIES = {"type": "map", "values": "long"}
MAPS = record("Made", [{"name": "id", "type": "string"}, {"name": "n", "type": ENTRIES}], kind="event", key="id")
UUID = {"name": "n", "type": {"type": "string", "logicalType": "uuid"}}
UUIDS = record("Made", [{"name": "id", "type": "string"}, UUID, {"name": "m", "type": "long"}], kind="event", key="id")
MANY = b"\xff" * 9 + b"\x01"  # -2**63


@pytest.mark.parametrize(
    ("schema", "body", "why"),
    [
        (LONGS, b"", "ends early"),
        (LONGS, b"\x80", "ends early"),
        (LONGS, b"\x80" * 10 + b"\x00", "more than 64 bits"),
        (LONGS, b"\x80" * 9 + b"\x02", "more than 64 bits"),
        (LONGS, b"\x02\x00", "left over"),
        (LISTS, MANY, "so many items"),
        (LISTS, b"\xfe\xff\xff\xff\x0f\x02", "more items are announced"),
        (LISTS, b"\x03\x06\x02\x04\x00", "does not end where it says"),
        (LISTS, b"\x03\x01\x02\x04\x00", "longer than the message"),
        (MAPS, b"\x04\x02a\x02\x02a\x04\x00", "a key twice"),
        (MAPS, b"\x02\xff\xff\xff\xff\x0f", "more bytes are announced"),
        (UUIDS, b"\x4800000000-0000-0000-0000-0000-00000005", "no hexadecimal digit"),
        (UUIDS, b"\x4800000000-0000-0000-00000-000000000005", "no UUID"),
    ],
)
def test_bytes_that_are_not_beyond_doubt_are_left_to_the_reference(
    tmp_path: Path, schema: dict[str, Any], body: bytes, why: str
) -> None:
    catalog, module = made(tmp_path, schema)
    contract = catalog.find("Made")
    reader = Reader(contract, module["Made"], contract.schema)
    assert reader._compiled is not None
    with pytest.raises(MISFITS, match=why):
        reader._compiled(frame(1) + b"\x021" + body)


def test_a_block_with_its_size_is_read(tmp_path: Path) -> None:
    catalog, module = made(tmp_path, LISTS)
    contract = catalog.find("Made")
    reader = Reader(contract, module["Made"], contract.schema)
    assert reader._compiled is not None
    assert reader._compiled(frame(1) + b"\x021\x03\x04\x02\x04\x02\x06\x00") == module["Made"](id="1", n=(1, 2, 3))


def test_a_message_longer_than_the_memory_that_is_at_hand_is_written(tmp_path: Path) -> None:
    catalog, module = made(tmp_path, LISTS)
    encoder = Encoder(catalog.find("Made"), 1)
    message = module["Made"](id="x" * 200, n=tuple(range(-5000, 5000)))
    assert encoder._compiled is not None
    assert encoder._compiled(message) == encoder._by_reference(message)


def test_reading_and_writing_leak_nothing() -> None:
    contract = CATALOG.of(EVENT)
    encoder, reader = Encoder(contract, 1), Reader(contract, type(EVENT), contract.schema)
    value = encoder(EVENT)
    broken = [value[:cut] for cut in range(5, len(value))]
    odd = msgspec.structs.replace(EVENT, marks=(*EVENT.marks, "no mark"))

    def work() -> None:
        for _ in range(50):
            reader(encoder(EVENT))
            for each in broken:
                with pytest.raises(MISFITS):
                    reader._compiled(each)  # type: ignore[misc]
            with pytest.raises(MISFITS):
                encoder._compiled(odd)  # type: ignore[misc]

    work()
    before = sys.getallocatedblocks()
    work()
    assert sys.getallocatedblocks() - before < 200


def test_a_value_that_only_the_reference_takes_is_written_all_the_same() -> None:
    contract = CATALOG.of(EVENT)
    encoder = Encoder(contract, 1)
    listed = msgspec.structs.replace(EVENT, weight=3)
    assert encoder._compiled is not None
    with pytest.raises(MISFITS, match="no float"):
        encoder._compiled(listed)
    assert write_by_both(encoder, listed) == encoder(msgspec.structs.replace(EVENT, weight=3.0))


def test_the_compiled_codec_can_be_left_out() -> None:
    code = "from verbwire.wire.avro import compiled, messages; print(compiled.AVAILABLE)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "VERBWIRE_CODEC": "fastavro"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "False\n"


def test_a_build_without_a_compiler_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "src/verbwire/wire/avro/_compiled.pyx"
    source.parent.mkdir(parents=True)
    source.write_text("cdef int one = 1\n")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(Exception, match="no-such-compiler"):
        hatch_build.build(tmp_path)


def test_records_inside_a_row_whose_class_nobody_imported_are_compared_by_value(tmp_path: Path) -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "n", "type": "long"}]}
    row = record("Made", [{"name": "id", "type": "string"}, {"name": "inner", "type": inner}], kind="row", key="id")
    contract = load_catalog(project(tmp_path, row)).find("Made")
    reader = Reader(contract, record_class(contract), contract.schema)
    value = frame(1) + b"\x021\x04"
    assert reader(value) == reader(value)
    assert Encoder(contract, 1)(reader(value)) == value
