"""Bytes that Avro's specification does not know are no values, however a lenient decoder would take them.

What is legal and rare is read: numbers with more bytes than they need, several blocks, blocks that tell their size.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.both_codecs import read_by_both
from verbwire.contracts.schema.model import Contract
from verbwire.contracts.schema.tree import tree_of
from verbwire.errors import UndecodableError
from verbwire.messages import Kind
from verbwire.wire.avro.framing import frame
from verbwire.wire.avro.generic_classes import record_class
from verbwire.wire.avro.messages import Encoder, Reader
from verbwire.wire.avro.validation import walk_of

LONG = {"type": "array", "items": "long"}
FIELDS = {
    "n": "long",
    "i": "int",
    "xs": LONG,
    "m": {"type": "map", "values": ["null", LONG]},
    "t": "string",
    "f": {"type": "fixed", "name": "Four", "size": 4},
    "d": "double",
}
SCHEMA = {
    "type": "record",
    "namespace": "shop",
    "name": "Held",
    "fields": [{"name": name, "type": each} for name, each in FIELDS.items()],
}
CONTRACT = Contract("shop.Held", Kind.ROW, (), SCHEMA, Path("Held.avsc"))
CLASS = record_class(CONTRACT)
READER = Reader(CONTRACT, CLASS, SCHEMA)
WHOLE = {"n": 5, "i": -1, "xs": [7], "m": {"a": None}, "t": "x", "f": b"four", "d": 0.5}
FAULTS = ("too long", "too large", "no count", "size", "negative size", "key")


def number(value: int, more: int = 0) -> bytes:
    """Zig-zag, by seven bits a byte, in so many bytes more than it needs."""
    rest, out = value << 1 ^ value >> 63, bytearray()
    while True:
        out.append(rest & 0x7F)
        rest >>= 7
        if not rest:
            break
    out += bytes(more)
    return bytes([*(each | 0x80 for each in out[:-1]), out[-1]])


class Writer:
    """An encoder that does nothing as the others do, and once, where that is asked for, something wrong."""

    def __init__(self, chance: random.Random, fault: str | None = None) -> None:
        self._chance = chance
        self._fault = fault
        self.wronged = False

    def record(self, values: dict[str, Any]) -> bytes:
        fields = [
            self._number(values["n"]),
            self._number(values["i"]),
            self._blocks([*map(self._number, values["xs"])]),
        ]
        entries = [self._text(key) + self._nullable(value) for key, value in values["m"].items()]
        fields += [self._blocks(entries, keyed=True), self._text(values["t"]), values["f"]]
        return b"".join(fields) + struct.pack("<d", values["d"])

    def _is_time_for(self, *faults: str) -> bool:
        if self.wronged or self._fault not in faults or self._chance.random() < 0.5:
            return False
        self.wronged = True
        return True

    def _number(self, value: int) -> bytes:
        room = 10 - len(number(value))
        if self._is_time_for("too long"):
            return number(value, room + self._chance.randint(1, 3))
        if self._is_time_for("too large"):
            whole = number(value, room)
            return whole[:-1] + bytes([whole[-1] | 0x80 >> self._chance.randint(1, 6)])
        return number(value, self._chance.choice((0, 0, 0, room)))

    def _text(self, text: str) -> bytes:
        data = text.encode()
        return self._number(len(data)) + data

    def _nullable(self, items: list[int] | None) -> bytes:
        if items is None:
            return self._number(0)
        return self._number(1) + self._blocks([*map(self._number, items)])

    def _blocks(self, items: list[bytes], keyed: bool = False) -> bytes:
        out, rest = b"", items
        if keyed and items and self._is_time_for("key"):
            rest = [*items, items[0]]
        while rest:
            size = self._chance.randint(1, len(rest))
            out, rest = out + self._block(rest[:size]), rest[size:]
        if self._is_time_for("no count"):
            out += self._number(-(2**63)) + self._number(0)
        return out + self._number(0)

    def _block(self, items: list[bytes]) -> bytes:
        body = b"".join(items)
        if self._is_time_for("size"):
            return self._number(-len(items)) + self._number(len(body) + self._chance.choice((-1, 1, 40))) + body
        if self._is_time_for("negative size"):
            return self._number(-len(items)) + self._number(-len(body)) + body
        if self._chance.random() < 0.5:
            return self._number(-len(items)) + self._number(len(body)) + body
        return self._number(len(items)) + body


def message(values: dict[str, Any]) -> Any:
    return msgspec.convert(values, CLASS)


LONGS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5)
VALUES = st.fixed_dictionaries(
    {
        "n": st.integers(-(2**63), 2**63 - 1),
        "i": st.integers(-(2**31), 2**31 - 1),
        "xs": LONGS,
        "m": st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=4), st.none() | LONGS, max_size=4
        ),
        "t": st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
        "f": st.binary(min_size=4, max_size=4),
        "d": st.floats(allow_nan=False),
    }
)


@given(values=VALUES, seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_legal_avro_is_read_however_it_was_written(values: dict[str, Any], seed: int) -> None:
    body = Writer(random.Random(seed)).record(values)  # noqa: S311 (to be tried again)
    expected = READER(Encoder(CONTRACT, 7)(message(values)))
    assert read_by_both(READER, frame(7) + body) == expected


@pytest.mark.parametrize("fault", FAULTS)
@given(values=VALUES, seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_illegal_avro_is_undecodable(values: dict[str, Any], seed: int, fault: str) -> None:
    writer = Writer(random.Random(seed), fault)  # noqa: S311 (to be tried again)
    body = writer.record(values)
    if writer.wronged:
        with pytest.raises(UndecodableError):
            read_by_both(READER, frame(7) + body)


def test_avro_that_is_cut_short_or_left_over_is_undecodable() -> None:
    body = Writer(random.Random(1)).record(WHOLE)  # noqa: S311 (the same every time)
    for wrong in (*(body[:length] for length in range(len(body))), body + b"\0"):
        with pytest.raises(UndecodableError):
            read_by_both(READER, frame(7) + wrong)


def test_a_type_within_itself_is_walked_through() -> None:
    inner = {"name": "inner", "type": {"type": "array", "items": "Tree"}}
    walk = walk_of(tree_of({"type": "record", "name": "Tree", "fields": [{"name": "n", "type": "int"}, inner]}))
    tree = b"\2\2\4\0\0"  # 1, with one that is 2 inside
    assert walk(tree, 0) == len(tree)


def test_many_items_without_bytes_take_no_time() -> None:
    walk = walk_of(tree_of({"type": "array", "items": "null"}))
    data = number(2**62) + number(0)
    assert walk(data, 0) == len(data)
