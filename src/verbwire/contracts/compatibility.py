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

from verbwire.contracts.grammar import LOGICAL_TYPES, PRIMITIVES, Json, full_name

_EXACT = {("int", "long"), ("int", "double"), ("float", "double"), ("string", "bytes")}
_LOSSY = {("int", "float"), ("long", "float"), ("long", "double")}
_NAMED = ("record", "error", "enum", "fixed")


class Why(StrEnum):
    """Why a value that was written cannot be read, or is another one."""

    MISSING = "missing"  # the reader's field is not written, and has no default
    TYPE = "type"
    LOGICAL = "logical type"
    FINER = "finer"  # the logical type with a finer unit, or more digits: our readers go by the writer's, others do not
    ROUNDED = "rounded"  # a promotion that Avro allows, and that changes numbers
    NULL = "null"  # may be written, not read
    SYMBOLS = "symbols"  # of an enum, unknown to the reader, which has no default
    DEFAULTED = "defaulted"  # the same, and the reader takes its default for them
    NAME = "name"  # of a record, enum or fixed
    TWICE = "twice"  # the reader has an alias for a field that is written beside the one of its name


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place where writer and reader differ."""

    why: Why
    path: str  # of the field, like ``lines[].price``; by the reader's names
    written: str  # what the writer has there, for people
    read: str  # what the reader has there


def misfits(writer: Mapping[str, Json], reader: Mapping[str, Json]) -> Iterator[Misfit]:
    """Yield what keeps records of the `writer` schema from being read with the `reader` schema as the same values.

    Both are self-contained schemas of a record, of any spelling that a registry gives back.
    """
    yield from _records(spelled_out(writer), spelled_out(reader), "")


def misread(writer: Mapping[str, Json], reader: Mapping[str, Json]) -> str | None:
    """Say why records of this writer would be read as other values; None where they are not, or cannot be read at all.

    A reader need not look for what fails by itself.
    """
    for each in misfits(writer, reader):
        if each.why in (Why.LOGICAL, Why.ROUNDED, Why.TWICE):
            return (
                f"field {each.path} was written as {each.written}, and is {each.read} here: it would be another value"
            )
    return None


def spelled_out(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return a schema in which every named type stands in full wherever it is used; one inside itself stays a name."""
    found: dict[str, Json] = _spell_out(schema, "", {}, frozenset())
    return found


def described(node: Json) -> str:
    """Return a type that was spelled out, in a few words."""
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return f"[{', '.join(map(described, node))}]"
    if (logical := _logical(node)) is not None:
        return logical
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


# -- one walk through both


def _types(writer: Json, reader: Json, path: str) -> Iterator[Misfit]:
    if isinstance(writer, list):
        for branch in writer:
            yield from _branch(branch, reader, path)
    elif isinstance(reader, list):
        yield from _branch(writer, reader, path)
    else:
        yield from _plain(writer, reader, path)


def _branch(writer: Json, reader: Json, path: str) -> Iterator[Misfit]:
    """One branch that may be written, against the branch that a reader takes it for."""
    branches = reader if isinstance(reader, list) else [reader]
    pairs = [(_base(writer), _base(branch)) for branch in branches]
    taken = [branch for branch, pair in zip(branches, pairs, strict=True) if pair[0] == pair[1]]
    taken += [branch for branch, pair in zip(branches, pairs, strict=True) if pair in _EXACT | _LOSSY]
    if taken:
        yield from _plain(writer, taken[0], path)
    else:
        yield Misfit(Why.NULL if writer == "null" else Why.TYPE, path, described(writer), described(reader))


def _plain(writer: Json, reader: Json, path: str) -> Iterator[Misfit]:
    """Two types that are no unions."""
    base = _base(writer)
    if base != _base(reader):
        yield from _promoted(writer, reader, path)
    elif base == "array":
        yield from _types(writer["items"], reader["items"], f"{path}[]")
    elif base == "map":
        yield from _types(writer["values"], reader["values"], f"{path}[]")
    elif base in _NAMED:
        yield from _named(writer, reader, path)
    if base == _base(reader) and _logical(writer) != _logical(reader):
        why = Why.FINER if _holds(reader, writer) else Why.LOGICAL
        yield Misfit(why, path, described(writer), described(reader))


def _promoted(writer: Json, reader: Json, path: str) -> Iterator[Misfit]:
    pair, same = (_base(writer), _base(reader)), _logical(writer) is None and _logical(reader) is None
    if not (same and pair in _EXACT):
        yield Misfit(Why.ROUNDED if same and pair in _LOSSY else Why.TYPE, path, described(writer), described(reader))


def _named(writer: Json, reader: Json, path: str) -> Iterator[Misfit]:
    if not isinstance(writer, dict) or not isinstance(reader, dict):  # inside itself: compared one level above
        return
    if _short(writer) != _short(reader) and not {writer["name"], _short(writer)} & {*reader.get("aliases", ())}:
        yield Misfit(Why.NAME, path, described(writer), described(reader))
    elif writer["type"] == "enum":
        yield from _symbols(writer, reader, path)
    elif writer["type"] == "fixed" and writer["size"] != reader["size"]:
        yield Misfit(Why.TYPE, path, described(writer), described(reader))
    elif "fields" in writer:
        yield from _records(writer, reader, path)


def _symbols(writer: Mapping[str, Any], reader: Mapping[str, Any], path: str) -> Iterator[Misfit]:
    unknown = [each for each in writer["symbols"] if each not in reader["symbols"]]
    if unknown:
        why = Why.DEFAULTED if "default" in reader else Why.SYMBOLS
        yield Misfit(why, path, ", ".join(unknown), str(reader.get("default", described(reader))))


def _records(writer: Mapping[str, Any], reader: Mapping[str, Any], path: str) -> Iterator[Misfit]:
    written = {each["name"]: each for each in writer["fields"]}
    for field in reader["fields"]:
        here = f"{path}.{field['name']}" if path else str(field["name"])
        names = [name for name in (field["name"], *field.get("aliases", ())) if name in written]
        if len(names) > 1:
            yield Misfit(Why.TWICE, here, " and ".join(names), str(field["name"]))
        elif names:
            yield from _types(written[names[0]]["type"], field["type"], here)
        elif "default" not in field:
            yield Misfit(Why.MISSING, here, "", described(field["type"]))


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


def _holds(reader: Json, writer: Json) -> bool:
    """Whether the reader's logical type has each value of the writer's."""
    if not isinstance(reader, dict) or not isinstance(writer, dict):
        return False
    name, other = str(reader.get("logicalType")), str(writer.get("logicalType"))
    if name == other == "decimal":
        (digits, scale), (written, behind) = ((each["precision"], each.get("scale", 0)) for each in (reader, writer))
        return bool(scale >= behind and digits - scale >= written - behind)
    return name.endswith("-micros") and name.removesuffix("-micros") == other.removesuffix("-millis")


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
