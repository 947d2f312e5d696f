"""Whether what was written with one schema is read with another, as the same value.

Avro's rules, as our readers apply them, and one that registries do not know: a logical type is part of the type. Bytes
of a long read as a timestamp, or a decimal with another scale, are another value, and nobody is told.
Source: Avro 1.12 specification, "Schema Resolution".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from verbwire.contracts.schema.grammar import LOGICAL_TYPES, PRIMITIVES, Json, full_name

_EXACT = {("int", "long"), ("int", "double"), ("float", "double"), ("string", "bytes")}
_LOSSY = {("int", "float"), ("long", "float"), ("long", "double")}
_NAMED = ("record", "error", "enum", "fixed")


class Reason(StrEnum):
    """Why a value that was written cannot be read, or is another one."""

    MISSING = "missing"  # the reader's field is not written, and has no default
    TYPE = "type"
    LOGICAL = "logical type"
    UNITS = "units"  # a finer unit, or other digits of a decimal: our readers tell what fits, other languages' do not
    ROUNDED = "rounded"  # a promotion that Avro allows, and that changes numbers
    NULL = "null"  # may be written, not read
    SYMBOLS = "symbols"  # of an enum, unknown to the reader, which has no default
    DEFAULTED = "defaulted"  # the same, and the reader takes its default for them
    NAME = "name"  # of a record, enum or fixed
    TWICE = "twice"  # the reader has an alias for a field that is written beside the one of its name


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """A place where writer and reader differ."""

    why: Reason
    path: str  # of the field, like ``lines[].price``; by the reader's names
    written: str  # what the writer has there, for people
    read: str  # what the reader has there


def misfits(writer: Mapping[str, Json], reader: Mapping[str, Json]) -> Iterator[Incompatibility]:
    """Yield what keeps records of the `writer` schema from being read with the `reader` schema as the same values.

    Both are self-contained schemas of a record, of any spelling that a registry gives back.
    """
    yield from _Walk().records(expanded(writer), expanded(reader))


def misread(writer: Mapping[str, Json], reader: Mapping[str, Json]) -> str | None:
    """Say why records of this writer would be read as other values; None where our readers look at each value.

    They refuse what does not fit a decimal or a double, and let a float round.
    """
    for each in misfits(writer, reader):
        if each.why is Reason.LOGICAL or (each.why is Reason.ROUNDED and each.read == "float"):
            return (
                f"field {each.path} was written as {each.written}, and is {each.read} here: it would be another value"
            )
    return None


def expanded(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return a schema with all its attributes, every named type in full wherever it is used: the same object each time.

    One inside itself stays a name.
    """
    found: dict[str, Json] = _spell_out(schema, "", {}, frozenset())
    return found


def described(node: Json) -> str:
    """Return an expanded type in a few words."""
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return f"[{', '.join(map(described, node))}]"
    if (logical := _logical(node)) is not None:
        return f"{logical} in a fixed" if _base(node) == "fixed" else logical
    match node["type"]:
        case "array":
            return f"array of {described(node['items'])}"
        case "map":
            return f"map of {described(node['values'])}"
        case "fixed":
            return f"fixed {_short(node)} of {node['size']} bytes"
        case name if name in _NAMED:
            return f"{name} {_short(node)}"
        case name:
            return described(name)


class _Walk:
    """One walk through both. Pairs of records are looked at once: few bytes of a foreign schema may say millions."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def _types(self, writer: Json, reader: Json, path: str) -> Iterator[Incompatibility]:
        if isinstance(writer, list):
            for branch in writer:
                yield from self._branch(branch, reader, path)
        elif isinstance(reader, list):
            yield from self._branch(writer, reader, path)
        else:
            yield from self._plain(writer, reader, path)

    def _branch(self, writer: Json, reader: Json, path: str) -> Iterator[Incompatibility]:
        """One branch that may be written, against the branch that a reader takes it for."""
        branches = reader if isinstance(reader, list) else [reader]
        pairs = [(_base(writer), _base(branch)) for branch in branches]
        taken = [branch for branch, pair in zip(branches, pairs, strict=True) if pair[0] == pair[1]]
        taken += [branch for branch, pair in zip(branches, pairs, strict=True) if pair in _EXACT | _LOSSY]
        if taken:
            yield from self._plain(writer, taken[0], path)
        else:
            yield Incompatibility(
                Reason.NULL if writer == "null" else Reason.TYPE,
                path,
                described(writer),
                described(reader),
            )

    def _plain(self, writer: Json, reader: Json, path: str) -> Iterator[Incompatibility]:
        """Two types that are no unions."""
        base = _base(writer)
        if base != _base(reader):
            yield from self._promoted(writer, reader, path)
        elif base == "array":
            yield from self._types(writer["items"], reader["items"], f"{path}[]")
        elif base == "map":
            yield from self._types(writer["values"], reader["values"], f"{path}[]")
        elif base in _NAMED:
            yield from self._named(writer, reader, path)
        if base == _base(reader) and _logical(writer) != _logical(reader):
            why = Reason.UNITS if _differ_in_units(writer, reader) else Reason.LOGICAL
            yield Incompatibility(why, path, described(writer), described(reader))

    def _promoted(self, writer: Json, reader: Json, path: str) -> Iterator[Incompatibility]:
        pair, same = (_base(writer), _base(reader)), _logical(writer) is None and _logical(reader) is None
        if not (same and pair in _EXACT):
            yield Incompatibility(
                Reason.ROUNDED if same and pair in _LOSSY else Reason.TYPE,
                path,
                described(writer),
                described(reader),
            )

    def _named(self, writer: Json, reader: Json, path: str) -> Iterator[Incompatibility]:
        if not isinstance(writer, dict) or not isinstance(reader, dict):  # inside itself: compared one level above
            return
        aliases = {full_name(each, reader["namespace"]) for each in reader.get("aliases", ())}
        if _short(writer) != _short(reader) and writer["name"] not in aliases:
            yield Incompatibility(Reason.NAME, path, described(writer), described(reader))
        elif writer["type"] == "enum":
            yield from self._symbols(writer, reader, path)
        elif writer["type"] == "fixed" and writer["size"] != reader["size"]:
            yield Incompatibility(Reason.TYPE, path, described(writer), described(reader))
        elif "fields" in writer:
            yield from self.records(writer, reader, path)

    def _symbols(self, writer: Mapping[str, Any], reader: Mapping[str, Any], path: str) -> Iterator[Incompatibility]:
        unknown = [each for each in writer["symbols"] if each not in reader["symbols"]]
        if unknown:
            why = Reason.DEFAULTED if "default" in reader else Reason.SYMBOLS
            yield Incompatibility(why, path, ", ".join(unknown), str(reader.get("default", described(reader))))

    def records(
        self, writer: Mapping[str, Any], reader: Mapping[str, Any], path: str = ""
    ) -> Iterator[Incompatibility]:
        """What differs between two records."""
        if (id(writer), id(reader)) in self._seen:
            return
        self._seen.add((id(writer), id(reader)))
        written = {each["name"]: each for each in writer["fields"]}
        for field in reader["fields"]:
            here = f"{path}.{field['name']}" if path else str(field["name"])
            names = [name for name in (field["name"], *field.get("aliases", ())) if name in written]
            if len(names) > 1:
                yield Incompatibility(Reason.TWICE, here, " and ".join(names), str(field["name"]))
            elif names:
                yield from self._types(written[names[0]]["type"], field["type"], here)
            elif "default" not in field:
                yield Incompatibility(Reason.MISSING, here, "", described(field["type"]))


# -- what a type is


def _base(node: Json) -> str:
    """The type's own name: a primitive's, or record, enum, fixed, array, map."""
    found = node["type"] if isinstance(node, dict) else node
    return _base(found) if isinstance(found, dict) else str(found)


def _logical(node: Json) -> str | None:
    """The logical type with what belongs to it; None where there is none that readers know."""
    name = node.get("logicalType") if isinstance(node, dict) else None
    if name not in LOGICAL_TYPES or _base(node) not in LOGICAL_TYPES[name]:
        return None
    return f"decimal({node.get('precision')}, {node.get('scale', 0)})" if name == "decimal" else str(name)


def _differ_in_units(writer: Json, reader: Json) -> bool:
    """Whether both are one logical type, and a reader can tell whether a value fits."""
    written, read = (str(each.get("logicalType")) if isinstance(each, dict) else "" for each in (writer, reader))
    finer = read.endswith("-micros") and read.removesuffix("-micros") == written.removesuffix("-millis")
    return finer or written == read == "decimal"


def _short(node: Mapping[str, Any]) -> str:
    return str(node["name"]).rpartition(".")[2]


def _spell_out(node: Json, namespace: str, known: dict[str, Json], around: frozenset[str]) -> Json:
    if isinstance(node, list):
        return [_spell_out(branch, namespace, known, around) for branch in node]
    if isinstance(node, str):
        name = full_name(node, namespace)
        return node if node in PRIMITIVES or name in around else known.get(name, node)
    found = dict(node)
    if "name" in node:
        name = full_name(str(node["name"]), str(node.get("namespace", namespace)))
        namespace, around = name.rpartition(".")[0], around | {name}
        found |= {"name": name, "namespace": namespace}
    elif not isinstance(node["type"], str) or node["type"] not in (*PRIMITIVES, "array", "map"):
        return _spell_out(node["type"], namespace, known, around)  # a type, wrapped into {"type": ...}
    for inner in ("items", "values"):
        if inner in node:
            found[inner] = _spell_out(node[inner], namespace, known, around)
    if "fields" in node:
        found["fields"] = [
            {**field, "type": _spell_out(field["type"], namespace, known, around)} for field in node["fields"]
        ]
    if "name" in node:
        known[name] = found
    return found
