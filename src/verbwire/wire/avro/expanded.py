"""Schemas as those who walk through them want them: every reference replaced by what it names, noise left out."""

from __future__ import annotations

from typing import Any

from verbwire.contracts.schema.grammar import LOGICAL_TYPES, PRIMITIVES, full_name
from verbwire.contracts.schema.model import Schema

_UNREAD = ("duration",)  # fastavro leaves its bytes as they are
_MOST_DIGITS = 10_000  # of a decimal, in a schema of anybody's


def spelled_out(schema: Schema) -> Schema:
    """Return a valid schema whose types all stand where they are used.

    A type that is used twice is the same object twice: who walks should remember objects, few bytes of a foreign schema
    may spell out to millions of places. Names and aliases are full; a logical type that does not fit its type is left
    out, as Avro says; an object around a plain type is the plain type.
    """
    found: Schema = _Walk().type(schema, "")
    return found


class _Walk:
    def __init__(self) -> None:
        self._named: dict[str, Any] = {}

    def type(self, node: Any, namespace: str) -> Any:
        if isinstance(node, list):
            return [self.type(branch, namespace) for branch in node]
        if isinstance(node, str):
            return node if node in PRIMITIVES else self._named[full_name(node, namespace)]
        match node["type"]:
            case "array":
                return {"type": "array", "items": self.type(node["items"], namespace)}
            case "map":
                return {"type": "map", "values": self.type(node["values"], namespace)}
            case "record" | "error" | "enum" | "fixed":
                return self._define(node, namespace)
            case str(name) if name in PRIMITIVES:
                return {"type": name, **logical} if (logical := _logical(node)) else name
            case other:
                return self.type(other, namespace)

    def _define(self, node: Schema, namespace: str) -> Schema:
        name = full_name(node["name"], node.get("namespace", namespace))
        inside = name.rpartition(".")[0]
        found: Schema = {"name": name, "aliases": [full_name(each, inside) for each in node.get("aliases", ())]}
        self._named[name] = found
        if node["type"] == "enum":
            found |= {"type": "enum", "symbols": node["symbols"], "default": node.get("default")}
        elif node["type"] == "fixed":
            found |= {"type": "fixed", "size": node["size"], **_logical(node)}
        else:
            fields = [{**field, "type": self.type(field["type"], inside)} for field in node["fields"]]
            found |= {"type": "record", "fields": fields}
        return found


def _logical(node: Schema) -> dict[str, Any]:
    name = node.get("logicalType")
    if not isinstance(name, str) or name in _UNREAD or node["type"] not in LOGICAL_TYPES.get(name, ()):
        return {}
    if name != "decimal":
        return {"logicalType": name}
    precision, scale = node.get("precision"), node.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision:
        return {}
    return {"logicalType": name, "precision": precision, "scale": scale} if 1 <= precision <= _MOST_DIGITS else {}
