"""JSON to the values of an Avro schema: the inverse of :mod:`verbwire.http.avro_json.encode`, and no more than that.

What a client meant is never guessed: ``"true"`` is no boolean, ``"5"`` a number only where 64 bits are needed, a field
that the schema does not have is refused, since it is a field that was misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn, TypeAlias

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.contracts.schema.tree import (
    NO_DEFAULT,
    NULL,
    AvroArray,
    AvroEnum,
    AvroFixed,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
    Primitive,
)
from verbwire.wire.avro.strict_types import LOGICAL
from verbwire.wire.json.numbers import NOT_FINITE, tag, whole

DIGITS = r"^-?(0|[1-9][0-9]{0,18})$"  # a long as text
_DIGITS = re.compile(DIGITS, re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(E-[0-9]{1,3})?", re.ASCII)  # Python writes small ones with E-
_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_BASES: dict[str, Any] = {"boolean": bool, "string": str}
_SHOWN = 80  # letters of what a client sent
_Read: TypeAlias = Callable[[Any, str], Any]
"""Takes a value, and where it stands."""


class JsonMismatch(Exception):  # noqa: N818 (found in a request, told to its sender)
    """A value that the schema does not take: where in the body (``lines[2].quantity``), and what was expected."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}" if field else why)
        self.field = field
        self.why = why

    def advised(self, advice: str) -> JsonMismatch:
        """Return it with what to write instead."""
        return JsonMismatch(self.field, f"{self.why}: {advice}")


def reader(contract: Contract) -> Callable[[Any], dict[str, Any]]:
    """Return what makes fields of decoded JSON, ready for the contract's class; fields with defaults may be absent.

    It raises :class:`JsonMismatch`. What there is to know of the contract is looked up here, once: contracts are
    neither recursive nor deep.
    """
    read = _record(contract.tree)
    return lambda value: read(value, "")


def _reader(node: AvroType) -> _Read:
    """Return what reads the values of a type."""
    match node:
        case Primitive(kind):
            return _primitive(kind)
        case Logical():
            return partial(_logical, node)
        case AvroUnion():
            return _union(node)
        case AvroRecord():
            return _record(node)
        case AvroArray(items):
            return partial(_array, _reader(items))
        case AvroMap(values):
            return partial(_map, _reader(values))
        case AvroEnum():
            return partial(_enum, node)
        case AvroFixed(size=size):
            return partial(_fixed, size)


def _record(node: AvroRecord) -> Callable[[Any, str], dict[str, Any]]:
    fields = {each.name: _reader(each.type) for each in node.fields}
    needed = [each.name for each in node.fields if each.default is NO_DEFAULT]

    def read(value: Any, at: str) -> dict[str, Any]:
        given = _expect(dict, value, "an object", at)
        for name in given:
            if name not in fields:
                raise JsonMismatch(_inside(at, name), f"there is no such field, there are {', '.join(fields)}")
        for name in needed:
            if name not in given:
                raise JsonMismatch(_inside(at, name), "this field is missing, and it has no default")
        return {name: fields[name](each, _inside(at, name)) for name, each in given.items()}

    return read


def _array(items: _Read, value: Any, at: str) -> list[Any]:
    given = _expect(list, value, "an array", at)
    return [items(each, f"{at}[{index}]") for index, each in enumerate(given)]


def _map(values: _Read, value: Any, at: str) -> dict[str, Any]:
    entries = _expect(dict, value, "an object", at)
    return {key: values(each, _inside(at, key)) for key, each in entries.items()}


def _enum(node: AvroEnum, value: Any, at: str) -> Any:
    return value if value in node.symbols else _refuse(value, f"one of {', '.join(node.symbols)}", at)


def _union(union: AvroUnion) -> _Read:
    nullable = NULL in union.branches
    wide = tag([branch.kind for branch in union.branches])
    others = sorted(union.others, key=_is_number)
    every = [_reader(each) for each in others]
    of_text = [read for each, read in zip(others, every, strict=True) if each.kind != wide]

    def read(value: Any, at: str) -> Any:
        if value is None and nullable:
            return None
        if wide is None:
            return _first(every, value, at)
        if isinstance(value, str):  # text is text, whatever it looks like
            return _first(of_text, value, at)
        return _tagged(wide, value, at) if isinstance(value, dict) else _first(every, value, at)

    return read


def _first(branches: Sequence[_Read], value: Any, at: str) -> Any:
    """Return what the first branch reads that takes a value; where none does, the last one says why."""
    for read in branches[:-1]:
        try:
            return read(value, at)
        except JsonMismatch:
            continue
    return branches[-1](value, at)


def _tagged(name: str, value: Mapping[str, Any], at: str) -> Any:
    if value.keys() != {name}:
        _refuse(value, f'{{"{name}": a number}}', at)
    return _primitive(name)(value[name], _inside(at, name))


def _is_number(branch: AvroType) -> bool:
    """Numbers come last: what was expected is told of them."""
    return branch.kind in ("int", "long", "float", "double")


def _primitive(name: str) -> _Read:
    if name in _RANGES:
        return partial(_integer, name)
    if name in ("float", "double"):
        return _float
    if name == "bytes":
        return partial(_textual, bytes, "base64 text")
    if name == "null":
        return lambda value, at: None if value is None else _refuse(value, "null", at)
    kind, what = _BASES[name], f"a {name}"
    return lambda value, at: value if isinstance(value, kind) else _refuse(value, what, at)


def _integer(name: str, value: Any, at: str) -> int:
    if name == "long" and isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    value = whole(value)
    least, most = _RANGES[name]
    if type(value) is not int or not least <= value <= most:
        _refuse(value, f"an integer of {32 if name == 'int' else 64} bits", at)
    return int(value)


def _float(value: Any, at: str) -> float:
    if type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            _refuse(value, "a number that a double holds", at)
    if value not in NOT_FINITE:
        _refuse(value, f"a number or one of {', '.join(NOT_FINITE)}", at)
    return float(value)


def _fixed(size: int, value: Any, at: str) -> bytes:
    data: bytes = _textual(bytes, "base64 text", value, at)
    if len(data) != size:
        _refuse(value, f"base64 text of {size} bytes", at)
    return data


def _logical(node: Logical, value: Any, at: str) -> Any:
    if node.kind == "decimal":
        return _decimal(node.precision, node.scale, value, at)
    return _textual(LOGICAL[node.kind], f"a {node.kind} as text", value, at)


def _decimal(precision: int, scale: int, value: Any, at: str) -> Decimal:
    if isinstance(value, str) and len(value) <= precision + _SHOWN and _DECIMAL.fullmatch(value):
        number = Decimal(value)
        _, digits, exponent = number.as_tuple()
        shift = int(exponent) + scale
        if shift >= 0 and int("".join(map(str, digits))) * 10**shift < 10**precision:
            return number
    return _refuse(value, f"a decimal as text, {precision} digits at most, {scale} of them behind the point", at)


def _textual(kind: Any, what: str, value: Any, at: str) -> Any:
    if isinstance(value, str):
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            pass
    return _refuse(value, what, at)


def _expect(kind: type, value: Any, what: str, at: str) -> Any:
    return value if isinstance(value, kind) else _refuse(value, what, at)


def _refuse(value: Any, what: str, at: str) -> NoReturn:
    shown = msgspec.json.encode(value).decode()
    cut = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    raise JsonMismatch(at, f"{cut} is not {what}")


def _inside(at: str, name: str) -> str:
    return f"{at}.{name[:_SHOWN]}" if at else name[:_SHOWN]
