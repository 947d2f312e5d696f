"""When two schemas are the same: registries give back other text than they were given.

Apicurio leaves out namespaces that the context implies, and others reorder attributes.
"""

from __future__ import annotations

import json
from typing import Any

from verbwire.contracts.schema.grammar import PRIMITIVES, full_name

_NAMED = ("record", "error", "enum", "fixed")
_SHAPE = frozenset(
    ("type", "name", "fields", "items", "values", "symbols", "size", "logicalType", "precision", "scale")
)


def canonical(schema: Any) -> str:
    """Return a schema as text with full names and sorted attributes; equal texts are equal schemas, docs included."""
    return json.dumps(_qualified(schema, "", None), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def shape(schema: Any) -> Any:
    """Return what of a schema decides how bytes are read: no docs, defaults or attributes of ours."""
    return _qualified(schema, "", _SHAPE)


def _qualified(node: Any, namespace: str, kept: frozenset[str] | None) -> Any:
    if isinstance(node, list):
        return [_qualified(branch, namespace, kept) for branch in node]
    if isinstance(node, str):
        return node if node in PRIMITIVES else full_name(node, namespace)
    found = {name: value for name, value in node.items() if kept is None or name in kept}
    if node["type"] in _NAMED:
        found["name"] = full_name(node["name"], node.get("namespace", namespace))
        found.pop("namespace", None)
        namespace = found["name"].rpartition(".")[0]
    elif node["type"] not in ("array", "map"):
        found["type"] = _qualified(node["type"], namespace, kept)
    for inner in ("items", "values"):
        if inner in node:
            found[inner] = _qualified(node[inner], namespace, kept)
    if "fields" in node:
        found["fields"] = [_field(field, namespace, kept) for field in node["fields"]]
    # A plain type that says nothing else is its name: {"type": "string"} is "string".
    return found["type"] if kept is not None and set(found) == {"type"} else found


def _field(field: dict[str, Any], namespace: str, kept: frozenset[str] | None) -> dict[str, Any]:
    found = {name: value for name, value in field.items() if kept is None or name in kept}
    return {**found, "type": _qualified(field["type"], namespace, kept)}
