"""A function per contract that writes its plain messages, made from the schema as source text.

fastavro walks the schema for each record; a function that was made for it only once is three times as fast. It knows
the common types and is strict: whatever it is not sure of (a type it does not know, a subclass, a number out of
range) it refuses with some exception, and the careful way of :class:`~verbwire.wire.avro.Encoder` decides. So it
needs no rules of its own for what is wrong, only bytes that equal fastavro's for what is right.

Source: Avro 1.12, "Binary encoding".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from keyword import iskeyword
from typing import Any
from uuid import UUID

from verbwire.contracts.model import Schema
from verbwire.messages import Message

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")  # Avro's names; nothing else becomes source text
_MAX_DEPTH = 12  # Python allows 20 blocks in each other
_MAX_LINES = 2000  # a named type is written out wherever it is used


class Doubt(Exception):  # noqa: N818 (a signal: the careful way decides)
    """This is none of the plain cases."""


def quick_writer(schema: Schema, frame: bytes) -> Callable[[Message], bytes] | None:
    """Return a function that gives a record's value, or raises anything; None for a schema of less common types."""
    source = _Source()
    try:
        source.record(schema, "message", 1, "")
    except Doubt:
        return None
    text = "\n".join(["def write(message):", " out = [frame]", " add = out.append", *source.lines, " return join(out)"])
    names = {**_GIVEN, **source.constants, "frame": frame}
    exec(compile(text, f"<writer of {schema['name']}>", "exec"), names)  # noqa: S102 (of a schema only field names get in)
    write: Callable[[Message], bytes] = names["write"]
    return write


def long_bytes(number: int) -> bytes:
    """Return an Avro int or long: zigzag, then seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    if rest < 0x80:
        return rest.to_bytes(1, "little")
    out = bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_GIVEN: dict[str, Any] = {
    "Doubt": Doubt,
    "join": b"".join,
    "long": long_bytes,
    "small": [long_bytes(number) for number in range(64)],
    "double": struct.Struct("<d").pack,
    "float4": struct.Struct("<f").pack,
    "UTC": UTC,
    "UUID": UUID,
    "datetime": datetime,
    "epoch": datetime(1970, 1, 1, tzinfo=UTC),
    "millis": timedelta(milliseconds=1),
    "micros": timedelta(microseconds=1),
}
_SIZED = "n = len(t); add(small[n] if n < 64 else long(n)); add(t)"
_NUMBER = "add(small[{v}] if 0 <= {v} < 64 else long({v}))"
_MOMENT = "if type({v}) is not datetime or {v}.tzinfo is not UTC: raise Doubt"
_PLAIN: dict[tuple[str, str | None], list[str]] = {
    ("null", None): ["if {v} is not None: raise Doubt"],
    ("boolean", None): ["if {v} is not True and {v} is not False: raise Doubt", "add(b'\\1' if {v} else b'\\0')"],
    ("int", None): ["if type({v}) is not int or not -0x80000000 <= {v} <= 0x7fffffff: raise Doubt", _NUMBER],
    ("long", None): [
        "if type({v}) is not int or not -0x8000000000000000 <= {v} <= 0x7fffffffffffffff: raise Doubt",
        _NUMBER,
    ],
    ("double", None): ["if type({v}) is not float: raise Doubt", "add(double({v}))"],
    ("float", None): ["if type({v}) is not float: raise Doubt", "add(float4({v}))"],
    ("bytes", None): ["if type({v}) is not bytes: raise Doubt", "t = {v}", _SIZED],
    ("string", None): ["if type({v}) is not str: raise Doubt", "t = {v}.encode()", _SIZED],
    ("string", "uuid"): ["if type({v}) is not UUID: raise Doubt", "t = str({v}).encode()", _SIZED],
    ("long", "timestamp-millis"): [_MOMENT, "add(long(({v} - epoch) // millis))"],
    ("long", "timestamp-micros"): [_MOMENT, "add(long(({v} - epoch) // micros))"],
}


class _Source:
    """The lines of one function; `value` is always the name of a variable."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self._named: dict[str, Schema] = {}
        self._variables = 0

    def record(self, schema: Schema, value: str, depth: int, namespace: str) -> None:
        """Write each field in its order."""
        inside = _full_name(schema, namespace).rpartition(".")[0]
        for field in schema["fields"]:
            if not _NAME.fullmatch(field["name"]) or iskeyword(field["name"]):
                raise Doubt
            own = self._variable()
            self._add(depth, f"{own} = {value}.{field['name']}")
            self._value(field["type"], own, depth, inside)

    def _value(self, node: Any, value: str, depth: int, namespace: str) -> None:
        if depth > _MAX_DEPTH:
            raise Doubt
        if isinstance(node, list):
            return self._union(node, value, depth, namespace)
        if isinstance(node, str) and (node, None) not in _PLAIN:
            name = node if "." in node or not namespace else f"{namespace}.{node}"
            if name not in self._named:
                raise Doubt
            node, namespace = self._named[name], name.rpartition(".")[0]
        if isinstance(node, str):
            return self._add(depth, *_PLAIN[node, None], v=value)
        if "name" in node:
            self._named[_full_name(node, namespace)] = node
        plain = _PLAIN.get((str(node["type"]), node.get("logicalType")))
        if plain:
            return self._add(depth, *plain, v=value)
        if node.get("logicalType"):
            raise Doubt
        return self._complex(node, value, depth, namespace)

    def _complex(self, node: Schema, value: str, depth: int, namespace: str) -> None:
        match node["type"]:
            case "record":
                self.record(node, value, depth, namespace)
            case "enum":
                symbols = f"e{self._variable()}"
                self.constants[symbols] = {each: long_bytes(index) for index, each in enumerate(node["symbols"])}
                self._add(depth, f"add({symbols}[{value}._value_])")
            case "fixed":
                self._add(depth, f"if type({value}) is not bytes or len({value}) != {int(node['size'])}: raise Doubt")
                self._add(depth, f"add({value})")
            case "array":
                self._items(value, depth, "tuple")
                each = self._variable()
                self._add(depth + 1, f"for {each} in {value}:", " pass")
                self._value(node["items"], each, depth + 2, namespace)
                self._add(depth, "add(b'\\0')")
            case "map":
                self._items(value, depth, "dict")
                key, each = self._variable(), self._variable()
                self._add(depth + 1, f"for {key}, {each} in {value}.items():")
                self._add(depth + 2, *_PLAIN["string", None], v=key)
                self._value(node["values"], each, depth + 2, namespace)
                self._add(depth, "add(b'\\0')")
            case _:
                raise Doubt

    def _items(self, value: str, depth: int, kind: str) -> None:
        self._add(depth, f"if type({value}) is not {kind}: raise Doubt", f"if {value}:")
        self._add(depth + 1, f"add(long(len({value})))")

    def _union(self, branches: list[Any], value: str, depth: int, namespace: str) -> None:
        if len(branches) != 2 or "null" not in branches:
            raise Doubt
        null = branches.index("null")
        self._add(depth, f"if {value} is None: add({long_bytes(null)!r})", "else:")
        self._add(depth + 1, f"add({long_bytes(1 - null)!r})")
        self._value(branches[1 - null], value, depth + 1, namespace)

    def _add(self, depth: int, *lines: str, v: str = "") -> None:
        self.lines += [" " * depth + (line.replace("{v}", v) if v else line) for line in lines]
        if len(self.lines) > _MAX_LINES:
            raise Doubt

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"


def _full_name(schema: Schema, namespace: str) -> str:
    name, space = str(schema["name"]), schema.get("namespace", namespace)
    return name if "." in name or not space else f"{space}.{name}"
