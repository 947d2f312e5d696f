"""References between files: each schema made self-contained, every named type spelled out where it is first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from verbwire.contracts.schema.bounds import WORDS
from verbwire.contracts.schema.grammar import COMPLEX, OURS, PRIMITIVES, Json, full_name, logical_hint
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace, near

# The order in which attributes are written into the text that is registered; others follow, sorted.
_TYPE_ORDER = (
    *("type", "namespace", "name", "doc", "aliases", *OURS),
    *("logicalType", "precision", "scale", "size", "symbols", "default", "items", "values", "fields", *WORDS),
)
_FIELD_ORDER = ("name", "type", "doc", "aliases", "default", "order", "personal", *WORDS)


@dataclass(frozen=True)
class SchemaSources:
    """The files of a project as they were written: by full name, with the place of each."""

    schemas: dict[str, dict[str, Json]] = field(default_factory=dict)
    places: dict[str, SchemaPlace] = field(default_factory=dict)
    inner: dict[str, SchemaPlace] = field(default_factory=dict)  # types spelled out inside a file

    def add(self, schema: dict[str, Json], place: SchemaPlace) -> Iterator[ContractProblem]:
        """Take one file; yields what clashes with the files before."""
        namespace = schema["namespace"]
        name = full_name(schema["name"], namespace)
        for each, where in [(name, place), *_inner_types(schema, place, namespace)]:
            if each.rpartition(".")[0] != namespace:
                yield where.problem(f"{each} is spelled out here but is not of {namespace}: leave its namespace out")
            taken = self.places.get(each) or self.inner.get(each)
            if taken:
                yield where.problem(
                    f"{each} is defined in {taken.file} already: rename one, or give it a file of its own"
                )
            elif where is place:
                self.schemas[each], self.places[each] = schema, place
            else:
                self.inner[each] = where

    def unknown(self) -> Iterator[ContractProblem]:
        """Every reference that leads nowhere."""
        for name, schema in self.schemas.items():
            place = self.places[name]
            for reference, where in _references(schema, place, schema["namespace"]):
                if reference in self.places:
                    continue
                home = self.inner.get(reference)
                short = reference.rpartition(".")[2]
                if home is None and (hint := logical_hint(short)):
                    yield where.problem(hint)
                elif home is None:
                    known = near(short, [*PRIMITIVES, *(name.rpartition(".")[2] for name in self.places)])
                    yield where.problem(f"there is no type {reference}: {known}Write it into {short}.avsc")
                elif home is not None and home.file != place.file:
                    yield where.problem(f"{reference} is spelled out inside {home.file}: give it a file of its own")

    def resolved(self, name: str) -> dict[str, Any]:
        """The schema of a file, self-contained, in the order that is registered."""
        return _Resolver(self.schemas).spell_out(self.schemas[name], "")

    def own(self, name: str) -> dict[str, Any]:
        """The same, but types that have a file of their own stay names: what this file itself says."""
        return _Resolver({}).spell_out(self.schemas[name], "")


class _Resolver:
    """One walk through a schema, remembering which types it has spelled out; `files` are those it may take from."""

    def __init__(self, files: Mapping[str, dict[str, Json]]) -> None:
        self._files = files
        self._seen: set[str] = set()

    def spell_out(self, node: dict[str, Json], namespace: str) -> dict[str, Any]:
        """A type with everything inside it spelled out where it comes first."""
        result = dict(node)
        if "name" in node:
            result["namespace"] = namespace = node.get("namespace", namespace)
            self._seen.add(full_name(node["name"], namespace))
        for inner in ("items", "values"):
            if inner in node:
                result[inner] = self._type(node[inner], namespace)
        if "fields" in node:
            result["fields"] = [
                _ordered({**field, "type": self._type(field["type"], namespace)}, _FIELD_ORDER)
                for field in node["fields"]
            ]
        return _ordered(result, _TYPE_ORDER)

    def _type(self, node: Json, namespace: str) -> Json:
        if isinstance(node, str):
            return node if node in PRIMITIVES else self._named(full_name(node, namespace))
        if isinstance(node, list):
            return [self._type(branch, namespace) for branch in node]
        if node["type"] not in (*COMPLEX, *PRIMITIVES):
            return self._type(node["type"], namespace)
        return node["type"] if set(node) == {"type"} else self.spell_out(node, namespace)

    def _named(self, name: str) -> Json:
        """A definition at first, the name from then on."""
        if name in self._seen or name not in self._files:
            return name
        # What a message says about itself says nothing where it is a part of another.
        return self.spell_out({key: each for key, each in self._files[name].items() if key not in OURS}, "")


def _ordered(node: Mapping[str, Json], order: tuple[str, ...]) -> dict[str, Json]:
    rank = {name: number for number, name in enumerate(order)}
    return {name: node[name] for name in sorted(node, key=lambda each: (rank.get(each, len(order)), each))}


def _inner_types(node: Json, place: SchemaPlace, namespace: str) -> Iterator[tuple[str, SchemaPlace]]:
    for each, where, space in _parts(node, place, namespace):
        if isinstance(each, dict) and "name" in each and each is not node:
            yield full_name(each["name"], space), where


def _references(node: Json, place: SchemaPlace, namespace: str) -> Iterator[tuple[str, SchemaPlace]]:
    for each, where, space in _parts(node, place, namespace):
        name = each["type"] if isinstance(each, dict) else each
        if isinstance(name, str) and name not in (*PRIMITIVES, *COMPLEX):
            yield full_name(name, space), where


def _parts(node: Json, place: SchemaPlace, namespace: str) -> Iterator[tuple[Json, SchemaPlace, str]]:
    """A type and every type inside it, as written, each with its place and namespace."""
    if isinstance(node, list):
        for branch in node:
            yield from _parts(branch, place, namespace)
        return
    namespace = node.get("namespace", namespace) if isinstance(node, dict) else namespace
    yield node, place, namespace
    if isinstance(node, dict):
        for inner in ("items", "values"):
            if inner in node:
                yield from _parts(node[inner], place.inside(), namespace)
        for each in node.get("fields", ()):
            yield from _parts(each["type"], place.at_field(each["name"]), namespace)
