"""A valid schema as a tree of types: each reference replaced by what it names, noise left out.

Code that walks through schemas matches on its nodes; :func:`tree_of` builds it once. A named type that is used twice is
the same node twice, and nodes are equal only where they are the same, so that walkers may remember them: a few bytes of
a foreign schema may spell out to millions of places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from verbwire.contracts.schema.defaults import logical_value, number
from verbwire.contracts.schema.grammar import LOGICAL_TYPES, PRIMITIVES, full_name

_UNREAD = ("duration",)  # fastavro leaves its bytes as they are
_MOST_DIGITS = 10_000  # of a decimal, in a schema of anybody's
NO_DEFAULT: Final = object()
"""In the place of a default: the field has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """A type of Avro's that holds no others; each is one node."""

    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class AvroFixed:
    """So many bytes, under a name."""

    name: str
    aliases: tuple[str, ...]
    size: int
    kind: str = "fixed"


@dataclass(frozen=True, slots=True, eq=False)
class Logical:
    """A logical type, which is its `kind`; precision and scale are those of a decimal."""

    kind: str
    base: Primitive | AvroFixed
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class AvroEnum:
    """Symbols, and which of them one stands for that is unknown."""

    name: str
    aliases: tuple[str, ...]
    symbols: tuple[str, ...]
    default: str | None
    kind: str = "enum"


@dataclass(frozen=True, slots=True, eq=False)
class AvroArray:
    """Any number of items."""

    items: AvroType
    kind: str = "array"


@dataclass(frozen=True, slots=True, eq=False)
class AvroMap:
    """Any number of values under text."""

    values: AvroType
    kind: str = "map"


@dataclass(frozen=True, slots=True, eq=False)
class AvroUnion:
    """A value of one of several types."""

    branches: tuple[AvroType, ...]
    kind: str = "union"

    @property
    def others(self) -> tuple[AvroType, ...]:
        """Its branches but null."""
        return tuple(each for each in self.branches if each is not NULL)


@dataclass(frozen=True, slots=True, eq=False)
class AvroField:
    """A field of a record; its default is JSON, as the schema has it."""

    name: str
    aliases: tuple[str, ...]
    type: AvroType
    default: object = NO_DEFAULT

    @property
    def python_default(self) -> Any:
        """What its default is in Python: records are dicts of what they give, enums text."""
        return _python(self.default, self.type)


@dataclass(frozen=True, slots=True, eq=False)
class AvroRecord:
    """Fields, under a name."""

    name: str
    aliases: tuple[str, ...]
    fields: tuple[AvroField, ...]
    kind: str = "record"

    @property
    def short(self) -> str:
        """Its name without a namespace."""
        return self.name.rpartition(".")[2]


AvroType: TypeAlias = Primitive | Logical | AvroFixed | AvroEnum | AvroArray | AvroMap | AvroUnion | AvroRecord

_PRIMITIVES: Mapping[str, Primitive] = {name: Primitive(name) for name in PRIMITIVES}
NULL: Final = _PRIMITIVES["null"]


def tree_of(schema: Any) -> AvroType:
    """Return the tree of a valid schema; one that is not raises whatever it runs into.

    Names and aliases are full. A logical type that does not fit its type is left out, as Avro says; an object around a
    plain type is the plain type. Types within themselves are nodes within themselves.
    """
    return _Builder().type(schema, "")


def record_of(schema: Any) -> AvroRecord:
    """Return the tree of a record's schema; TypeError where it is of another type."""
    tree = tree_of(schema)
    if not isinstance(tree, AvroRecord):
        raise TypeError(f"a schema of {tree.kind}, where one of a record is wanted")
    return tree


class _Builder:
    """One walk through a schema, which remembers the named types that it has met."""

    def __init__(self) -> None:
        self._named: dict[str, AvroType] = {}

    def type(self, node: Any, namespace: str) -> AvroType:
        """Return the tree of a type in a namespace."""
        if isinstance(node, list):
            return AvroUnion(tuple(self.type(branch, namespace) for branch in node))
        if isinstance(node, str):
            return _PRIMITIVES[node] if node in PRIMITIVES else self._named[full_name(node, namespace)]
        match node["type"]:
            case "array":
                return AvroArray(self.type(node["items"], namespace))
            case "map":
                return AvroMap(self.type(node["values"], namespace))
            case "record" | "error" | "enum" | "fixed":
                return self._define(node, namespace)
            case str(name) if name in PRIMITIVES:
                return _logical(node, _PRIMITIVES[name])
            case other:
                return self.type(other, namespace)

    def _define(self, node: Mapping[str, Any], namespace: str) -> AvroType:
        name = full_name(node["name"], node.get("namespace", namespace))
        inside = name.rpartition(".")[0]
        aliases = tuple(full_name(each, inside) for each in node.get("aliases", ()))
        match node["type"]:
            case "enum":
                found: AvroType = AvroEnum(name, aliases, tuple(node["symbols"]), node.get("default"))
            case "fixed":
                found = _logical(node, AvroFixed(name, aliases, node["size"]))
            case _:
                return self._record(node, AvroRecord(name, aliases, ()), inside)
        self._named[name] = found
        return found

    def _record(self, node: Mapping[str, Any], record: AvroRecord, inside: str) -> AvroRecord:
        self._named[record.name] = record
        fields = tuple(
            AvroField(
                field["name"],
                tuple(field.get("aliases", ())),
                self.type(field["type"], inside),
                field.get("default", NO_DEFAULT),
            )
            for field in node["fields"]
        )
        object.__setattr__(record, "fields", fields)  # they may hold the record itself
        return record


def _logical(node: Mapping[str, Any], base: Primitive | AvroFixed) -> Primitive | AvroFixed | Logical:
    name = node.get("logicalType")
    if not isinstance(name, str) or name in _UNREAD or base.kind not in LOGICAL_TYPES.get(name, ()):
        return base
    if name != "decimal":
        return Logical(name, base)
    precision, scale = node.get("precision"), node.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision:
        return base
    return Logical(name, base, precision, scale) if 1 <= precision <= _MOST_DIGITS else base


def _python(value: Any, node: AvroType) -> Any:
    match node:
        case AvroUnion(branches=(first, *_)):
            return _python(value, first)
        case AvroArray(items=items):
            return [_python(each, items) for each in value]
        case AvroMap(values=values):
            return {key: _python(each, values) for key, each in value.items()}
        case AvroRecord(fields=fields):
            types = {field.name: field.type for field in fields}
            return {name: _python(each, types[name]) for name, each in value.items()}
        case Logical(kind, base, precision, scale):
            said = {"type": base.kind, "logicalType": kind, "precision": precision, "scale": scale}
            return logical_value(value, said)
        case Primitive("float" | "double" as kind):
            return number(value, kind)
        case _:
            return logical_value(value, {"type": node.kind})
