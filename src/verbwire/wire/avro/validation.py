"""Validates the bytes of a record against Avro's encoding, without decoding its values.

fastavro 1.13 makes a value of bytes that Java's decoder refuses, and nothing that it returns shows it: a number of more
than ten bytes, whose rest it shifts into the others; a block of -2^63 items, which is none to it; the byte size of a
block, which it skips unread; an entry of a map whose key came before. So records that the compiled codec has its doubts
about, and all of them where there is none, are walked through here first.

Source: Avro 1.12 specification, "Binary Encoding".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from verbwire.contracts.schema.tree import AvroArray, AvroFixed, AvroMap, AvroRecord, AvroType, AvroUnion, Logical

Walk: TypeAlias = Callable[[bytes, int], int]
"""From where a value begins to where it ends. ValueError or LookupError where there is none."""

_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_LONGEST = 10  # bytes of a number
_LEAST = -(2**63)


def walk_of(tree: AvroType) -> Walk:
    """Return the way through what was written with a schema, by its tree; see :data:`Walk`."""
    return _Walks().of(tree)


def _long(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    end = _number(data, at)
    encoded = 0
    for byte in data[end - 1 : at - 1 if at else None : -1]:
        encoded = encoded << 7 | byte & 0x7F
    return encoded >> 1 ^ -(encoded & 1), end


def _number(data: bytes, at: int) -> int:
    end = at
    while data[end] > 0x7F:
        end += 1
        if end - at == _LONGEST:
            raise ValueError(f"a number of more than {_LONGEST} bytes")
    if end - at == _LONGEST - 1 and data[end] > 1:
        raise ValueError("a number of more than 64 bits")
    return end + 1


def _bytes(data: bytes, at: int) -> int:
    size, at = _long(data, at)
    if not 0 <= size <= len(data) - at:
        raise ValueError(f"{size} bytes are announced, {len(data) - at} are left")
    return at + size


def _sized(size: int) -> Walk:
    def walk(data: bytes, at: int) -> int:
        if size > len(data) - at:
            raise ValueError(f"{size} bytes are missing")
        return at + size

    return walk


def _block(data: bytes, at: int) -> tuple[int, int | None, int]:
    """How many items a block has, where it ends if it says so, and where its first item begins."""
    count, at = _long(data, at)
    if count >= 0:
        return count, None, at
    if count == _LEAST:
        raise ValueError(f"a block of {count} items")
    size, at = _long(data, at)
    return -count, at + size, at


def _blocks(data: bytes, at: int, items: Callable[[int, int], int]) -> int:
    """Walk through blocks; `items` walks through so many items of one."""
    while True:
        count, end, at = _block(data, at)
        if not count:
            return at
        at = items(count, at)
        if end not in (None, at):
            raise ValueError("a block does not end where it says")


def _array(item: Walk) -> Walk:
    def walk(data: bytes, at: int) -> int:
        def items(count: int, at: int) -> int:
            for _ in range(count):
                before, at = at, item(data, at)
                if at == before:  # they have no bytes, however many there are
                    break
            return at

        return _blocks(data, at, items)

    return walk


def _map(value: Walk) -> Walk:
    def walk(data: bytes, at: int) -> int:
        keys: set[bytes] = set()

        def items(count: int, at: int) -> int:
            for _ in range(count):
                begin = _long(data, at)[1]
                end = _bytes(data, at)
                if (key := data[begin:end]) in keys:
                    raise ValueError(f"a map has the key {key[:80]!r} twice")
                keys.add(key)
                at = value(data, end)
            return at

        return _blocks(data, at, items)

    return walk


def _union(branches: Sequence[Walk]) -> Walk:
    def walk(data: bytes, at: int) -> int:
        index, at = _long(data, at)
        if index < 0:
            raise ValueError(f"the branch {index} of a union")
        return branches[index](data, at)

    return walk


def _record(fields: Sequence[Walk]) -> Walk:
    def walk(data: bytes, at: int) -> int:
        for field in fields:
            at = field(data, at)
        return at

    return walk


class _Walks:
    """Remembers the types that were seen: a foreign schema may use one in very many places, or in itself."""

    def __init__(self) -> None:
        self._known: dict[AvroType, Walk] = {}

    def of(self, node: AvroType) -> Walk:
        found = self._known.get(node)
        if found is None:
            # Within itself a type is walked through by what will be known of it then.
            self._known[node] = lambda data, at: self._known[node](data, at)
            found = self._known[node] = self._made(node)
        return found

    def _made(self, node: AvroType) -> Walk:
        match node:
            case AvroUnion(branches):
                return _union([*map(self.of, branches)])
            case AvroRecord(fields=fields):
                return _record([self.of(field.type) for field in fields])
            case AvroArray(items):
                return _array(self.of(items))
            case AvroMap(values):
                return _map(self.of(values))
            case AvroFixed(size=size):
                return _sized(size)
            case Logical(base=base):
                return self.of(base)
        match node.kind:
            case "int" | "long" | "enum":
                return _number
            case "bytes" | "string":
                return _bytes
            case plain:
                return _sized(_SIZES[plain])
