"""Numbers that readers of JSON would change, written so that none does, and read back.

Beyond 2^53 - 1 (RFC 8259 section 6, RFC 7493) an integer is a string, as are NaN and the infinities. In a union that
takes text, too, a string could be either: there, such a number (and nothing else) stands under the name of its type, as
in Avro's own JSON: ``{"long": "9007199254740993"}``. What is text is text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from verbwire.contracts.schema.tree import AvroArray, AvroMap, AvroRecord, AvroType, AvroUnion, Logical, Primitive

Change: TypeAlias = Callable[[Any], Any]

SAFE_INTEGER = 2**53 - 1  # the largest that a double holds apart from its neighbours
NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_WIDE = ("long", "float", "double")
_TEXTS = ("string", "bytes")
_POSITIONAL = 6  # places behind the point: decimals of more are 1E-7 in Python


def tag(union: Sequence[Any]) -> str | None:
    """Return the type of a union whose numbers may have to stand under its name; None where no type has to.

    By the names of its branches; others than names are no numbers.
    """
    wide = next((each for each in union if each in _WIDE), None)
    return wide if any(each in _TEXTS for each in union) else None


def writer(tree: AvroType) -> Change | None:
    """Return what makes JSON's values of a value of builtin types and decimals; None where it is those already."""
    return _Walk(_WRITTEN, _tagged).change(tree)


def reader(tree: AvroType) -> Change | None:
    """Return the inverse of :func:`writer`; what that does not write stays as it is."""
    return _Walk(_READ, _untagged).change(tree)


def whole(value: Any) -> Any:
    """Return the integer that a float of JSON's is, everything else as it is: 5.0 and 5 are one number."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= SAFE_INTEGER else value


def number_text(value: Any) -> Any:
    """Return a number as text where readers of JSON would change it, everything else as it is."""
    if type(value) is int and not -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return str(value)
    if type(value) is float and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def exact(value: Any) -> Any:
    """Return `value`, of no known schema, with every number that JSON's readers would change written as a string."""
    kind = type(value)
    if kind is dict:
        return {name: exact(each) for name, each in value.items()}
    if kind is list or kind is tuple:
        return [exact(each) for each in value]
    return number_text(value)


class _Walk:
    """Finds the places of a schema whose values change; contracts are neither recursive nor deep."""

    def __init__(self, leaves: Mapping[str, Change], tagging: Callable[[str, Change], Change]) -> None:
        self._leaves = leaves
        self._tagging = tagging

    def change(self, node: AvroType) -> Change | None:
        match node:
            case AvroUnion(branches):
                return self._union(branches)
            case AvroRecord(fields=fields):
                found = {field.name: self.change(field.type) for field in fields}
                return _fields({name: each for name, each in found.items() if each is not None})
            case AvroArray(items):
                return _items(self.change(items))
            case AvroMap(values):
                return _entries(self.change(values))
            case Logical(kind="decimal", scale=scale) if scale > _POSITIONAL:
                return self._leaves.get("decimal")
            case Primitive(kind):
                return self._leaves.get(kind)
            case _:
                return None

    def _union(self, branches: Sequence[AvroType]) -> Change | None:
        wide = tag([branch.kind for branch in branches])
        if wide is not None:
            return self._tagging(wide, self._leaves[wide])
        return next(filter(None, map(self.change, branches)), None)  # each leaves alone what is none of its own


def _fields(changes: Mapping[str, Change]) -> Change | None:
    def change(value: Any) -> Any:
        if isinstance(value, dict):
            for name, each in changes.items():
                if name in value:
                    value[name] = each(value[name])
        return value

    return change if changes else None


def _items(inner: Change | None) -> Change | None:
    if inner is None:
        return None
    return lambda value: [inner(each) for each in value] if isinstance(value, list | tuple) else value


def _entries(inner: Change | None) -> Change | None:
    if inner is None:
        return None
    return lambda value: {key: inner(each) for key, each in value.items()} if isinstance(value, dict) else value


def _tagged(name: str, leaf: Change) -> Change:
    def change(value: Any) -> Any:
        text = leaf(value)
        return text if text is value else {name: text}

    return change


def _untagged(name: str, leaf: Change) -> Change:
    return lambda value: leaf(value[name]) if isinstance(value, dict) and value.keys() == {name} else value


def _positional(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else value


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.removeprefix("-").isdecimal() else value


def _float(value: Any) -> Any:
    return float(value) if value in NOT_FINITE else value


_WRITTEN = {**dict.fromkeys(_WIDE, number_text), "decimal": _positional}
_READ = {"long": _integer, "float": _float, "double": _float}
