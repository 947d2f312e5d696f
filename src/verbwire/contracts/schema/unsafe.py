"""Schemas that can crash a reader or exhaust its memory, and unions that Python classes cannot tell apart.

Why recursive schemas and zero-width items are refused (measured with fastavro 1.13 on Linux): 5 kB of a recursive
schema end the process by SIGSEGV, which nobody can catch; five bytes of ``array<null>`` that claim 50 million items
take 0.7 GB, and 1.5 GB with empty records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verbwire.contracts.schema.grammar import PRIMITIVES, Json, full_name
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace

MAX_DEPTH = 32  # levels of records, arrays, maps and unions in each other: readers recurse
_TOO_DEEP = f"types are nested deeper than {MAX_DEPTH} levels: flatten them"
_SAME_IN_PYTHON = {"int": "number", "long": "number", "float": "number", "double": "number"}
_SAME_IN_PYTHON |= {"string": "text", "bytes": "text"}


def dangers(schema: Json, place: SchemaPlace) -> Iterator[ContractProblem]:
    """What in a self-contained schema could crash a reader or exhaust its memory.

    Yields a problem for every type that contains itself, directly or through others, for every array or map whose
    items take no bytes (null, a record without fields or with such fields only, a fixed of size 0), and for nesting
    deeper than :data:`MAX_DEPTH`. Takes any valid Avro schema, also one that a foreign client has registered.
    """
    yield from _Walk().type(schema, place, "", ())


class _Walk:
    """Remembers what each named type's width is, in the order in which Avro defines them."""

    def __init__(self) -> None:
        self._zero_width: dict[str, bool] = {}

    def type(
        self, node: Json, place: SchemaPlace, namespace: str, around: tuple[str, ...]
    ) -> Iterator[ContractProblem]:
        """Problems of a type; `around` are the full names of what it is inside of ("" for what has none)."""
        if len(around) > MAX_DEPTH:
            yield place.problem(_TOO_DEEP)
        elif isinstance(node, list):
            for branch in node:
                yield from self.type(branch, place, namespace, (*around, ""))
        elif isinstance(node, str):
            name = full_name(node, namespace)
            if node not in PRIMITIVES and name in around:
                yield place.problem(
                    f"{name} contains itself, and a reader can be crashed with such a schema: refer by an id instead"
                )
        elif node["type"] in ("array", "map"):
            yield from self._items(node, place, namespace, around)
        elif node["type"] in ("record", "error"):
            yield from self._record(node, place, namespace, around)
        elif "name" in node:
            self._zero_width[self._name(node, namespace)] = node.get("size") == 0
        else:
            yield from self.type(node["type"], place, namespace, (*around, ""))

    def _items(
        self, node: Mapping[str, Any], place: SchemaPlace, namespace: str, around: tuple[str, ...]
    ) -> Iterator[ContractProblem]:
        items = node["items"] if node["type"] == "array" else node["values"]
        yield from self.type(items, place.inside(), namespace, (*around, ""))
        if self._takes_nothing(items, namespace):
            yield place.problem(
                f"the items of this {node['type']} take no bytes, so a few bytes can claim millions: "
                "give the items a field, or count them in a long"
            )

    def _record(
        self, node: Mapping[str, Any], place: SchemaPlace, namespace: str, around: tuple[str, ...]
    ) -> Iterator[ContractProblem]:
        name = self._name(node, namespace)
        inside = name.rpartition(".")[0]
        for field in node["fields"]:
            yield from self.type(field["type"], place.at_field(field["name"]), inside, (*around, name))
        self._zero_width[name] = all(self._takes_nothing(field["type"], inside) for field in node["fields"])

    def _takes_nothing(self, node: Json, namespace: str) -> bool:
        """Whether a value takes no bytes. A union never does: the number of its branch is written."""
        if isinstance(node, list):
            return False
        if isinstance(node, str):
            return node == "null" or self._zero_width.get(full_name(node, namespace), False)
        if "name" in node:
            return self._zero_width.get(self._name(node, namespace), False)
        return node["type"] not in ("array", "map") and self._takes_nothing(node["type"], namespace)

    @staticmethod
    def _name(node: Mapping[str, Any], namespace: str) -> str:
        return full_name(str(node["name"]), str(node.get("namespace", namespace)))


def union_problems(schema: Json, place: SchemaPlace) -> Iterator[ContractProblem]:
    """What in a schema Python classes could not read back as it was written.

    A union is null and one type, or distinct primitive types: at most one of numbers (int, long, float, double), one
    of string and bytes, and boolean. Two records, enums or fixed in one union are refused: JSON and Python do not
    say which of them a value is. Give each a nullable field of its own, or make them messages of their own.
    """
    if isinstance(schema, list):
        text = _union_problem(schema)
        if text:
            yield place.problem(text)
        for branch in schema:
            yield from union_problems(branch, place)
    elif isinstance(schema, dict):
        for inner in ("items", "values"):
            if inner in schema:
                yield from union_problems(schema[inner], place.inside())
        for field in schema.get("fields", ()):
            yield from union_problems(field["type"], place.at_field(field["name"]))


def _union_problem(union: list[Json]) -> str | None:
    others = [branch for branch in union if branch != "null"]
    if len(others) + 1 < len(union):
        return "null stands in this union twice: remove one"
    if not others or len(union) == 1:
        return "a union of one type says nothing: write the type itself"
    if len(others) == 1:
        return None
    if not all(isinstance(branch, str) and branch in PRIMITIVES for branch in others):
        return (
            "a union is null and one type, or distinct primitive types, because nothing else tells two of them apart: "
            "use a nullable field for each, or a message for each"
        )
    sorts = [_SAME_IN_PYTHON.get(branch, branch) for branch in others]
    if len(set(sorts)) < len(sorts):
        return f"{' and '.join(others)} cannot all be told apart in Python: keep one of each sort"
    return None
