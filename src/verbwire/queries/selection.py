"""Which rows of a table are wanted, and in which order: what a query comes down to, whatever keeps the rows.

A *place* is where a row stands in an order, as bytes that sort like it: rows of several partitions, and of several
workers, are merged by their places, and a cursor is one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = str | int | float | bytes | None
"""What a column holds: values of one column compare as those of the field do."""

KEY = ""  # the column that is the row's key itself
_NULL, _INTEGER, _FLOAT, _TEXT, _BYTES = range(5)
_OFFSET = 2**63
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_INVERTED = bytes(255 - byte for byte in range(256))


class Operator(StrEnum):
    """How a column is compared; as SQL writes it."""

    IS = "is"  # equal, or both null
    FROM = ">="
    UNTIL = "<"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a column's value must be."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Selection:
    """All rows that meet every condition, in the order of their keys, or of `sort`'s values and then of their keys.

    Rows without a value stand first. `search` is a term of the full text index; `descending` turns the order around.
    """

    conditions: tuple[Condition, ...] = ()
    search: str | None = None
    sort: str | None = None
    descending: bool = False

    @property
    def order(self) -> str:
        """The order in words, the same for selections whose cursors fit each other."""
        return ("-" if self.descending else "") + (self.sort or "")

    def place(self, value: Value, key: bytes) -> bytes:
        """Return where the row under `key` stands, `value` being what it is sorted by."""
        if self.sort is None:
            return key
        place = _element(value) + _element(key)
        return place.translate(_INVERTED) if self.descending else place

    def at(self, place: bytes) -> tuple[Value, bytes]:
        """Return the value and the key of a place; ValueError for bytes that are none."""
        if self.sort is None:
            return None, place
        place = place.translate(_INVERTED) if self.descending else place
        try:
            value, rest = _read(place)
            key, rest = _read(rest)
        except (ValueError, IndexError, struct.error):
            rest = b"cut"
        if rest or not isinstance(key, bytes):
            raise ValueError("these bytes are no place in this order")
        return value, key


EVERYTHING = Selection()


def _element(value: Value) -> bytes:
    """No element begins with another one, so elements can follow each other."""
    if value is None:
        return bytes((_NULL,))
    if isinstance(value, int):
        return bytes((_INTEGER,)) + (value + _OFFSET).to_bytes(8, "big")
    if isinstance(value, float):
        bits: int = struct.unpack(">Q", struct.pack(">d", value))[0]
        return bytes((_FLOAT,)) + (bits ^ (_ALL if bits & _SIGN else _SIGN)).to_bytes(8, "big")
    kind, data = (_TEXT, value.encode()) if isinstance(value, str) else (_BYTES, value)
    return bytes((kind,)) + data.replace(b"\x00", b"\x00\xff") + b"\x00"


def _read(data: bytes) -> tuple[Value, bytes]:
    kind, rest = data[0], data[1:]
    if kind == _NULL:
        return None, rest
    if kind == _INTEGER:
        return struct.unpack(">Q", rest[:8])[0] - _OFFSET, rest[8:]
    if kind == _FLOAT:
        bits = struct.unpack(">Q", rest[:8])[0]
        return struct.unpack(">d", struct.pack(">Q", bits ^ (_SIGN if bits & _SIGN else _ALL)))[0], rest[8:]
    end = rest.index(b"\x00")
    while rest[end + 1 : end + 2] == b"\xff":
        end = rest.index(b"\x00", end + 2)
    found = rest[:end].replace(b"\x00\xff", b"\x00")
    if kind not in (_TEXT, _BYTES):
        raise ValueError("an element of no known kind")
    return found.decode() if kind == _TEXT else found, rest[end + 1 :]
