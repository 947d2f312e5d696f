"""Avro as JSON Schema (2020-12, the dialect of OpenAPI 3.1): what our JSON writes, and all that it reads.

What is sent is closed: a field that the schema does not have is refused. What is answered may get fields later, so it
says nothing of others. A type that stands in both is therefore described twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from verbwire.contracts.schema.bounds import Bounds, bounded_key, bounds_of, goes_with, sort_of
from verbwire.contracts.schema.defaults import Named, named_types
from verbwire.contracts.schema.model import Contract, SharedType
from verbwire.http.avro_json.bounds import JsonSchema, bounded
from verbwire.http.avro_json.decode import DIGITS
from verbwire.wire.json.numbers import NOT_FINITE, tag

_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_LARGEST_FLOAT = 3.4028234663852886e38
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_NOT_FINITE: JsonSchema = {"enum": list(NOT_FINITE), "description": "What JSON has no number for."}
_INT = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
_PRIMITIVES: dict[str, JsonSchema] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": _INT,
    "long": {
        "anyOf": [
            {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
            {"type": "string", "pattern": DIGITS, "description": "The same as text, beyond 2^53 - 1."},
        ]
    },
    "float": {
        "anyOf": [{"type": "number", "minimum": -_LARGEST_FLOAT, "maximum": _LARGEST_FLOAT}, _NOT_FINITE],
    },
    "double": {"anyOf": [{"type": "number"}, _NOT_FINITE]},
    "bytes": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
    "string": {"type": "string"},
}
_LOGICAL: dict[str, JsonSchema] = {
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "format": "date"},
    "time-millis": {"type": "string", "pattern": f"^{_TIME}$"},
    "time-micros": {"type": "string", "pattern": f"^{_TIME}$"},
    "timestamp-millis": {"type": "string", "format": "date-time"},
    "timestamp-micros": {"type": "string", "format": "date-time"},
    "local-timestamp-millis": {"type": "string", "pattern": f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}$"},
    "local-timestamp-micros": {"type": "string", "pattern": f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}$"},
}
_NONE: Bounds = {}
_PLAIN = (str, int, float, bool, type(None))


class JsonSchemas:
    """Collects the schemas of named types in `components`; every method returns a reference to one, or a schema."""

    def __init__(self) -> None:
        self.components: dict[str, JsonSchema] = {}

    def sent(self, contract: Contract) -> JsonSchema:
        """Return the schema of a message as clients send it."""
        return _Walk(self.components, contract, closed=True).type(contract.schema)

    def answered(self, record: Contract | SharedType) -> JsonSchema:
        """Return the schema of a message, or of a plain record, as it is answered."""
        return _Walk(self.components, record, closed=False).type(record.schema)

    def types(self, contract: Contract, branches: Sequence[Any], bounds: Bounds) -> JsonSchema:
        """Return the schema of some of a field's types, as clients send it."""
        node = branches[0] if len(branches) == 1 else [*branches]
        return _Walk(self.components, contract, closed=True).type(node, bounds)


class _Walk:
    def __init__(self, components: dict[str, JsonSchema], record: Contract | SharedType, *, closed: bool) -> None:
        self._components = components
        self._named: Named = named_types(record.schema)
        self._closed = closed

    def type(self, node: Any, bounds: Bounds = _NONE) -> JsonSchema:
        """Return a type with its bounds. What is answered has none: it may be older than they are."""
        if isinstance(node, list):
            wide = tag(node)
            plain = [_number(self.type(each, bounds)) if each == wide else self.type(each, bounds) for each in node]
            return {"anyOf": plain if wide is None else [*plain, _tagged(wide, self.type(wide, bounds))]}
        schema = self._plain(node)
        if not self._closed:
            return schema
        bounds = {**bounds, **bounds_of(node)} if isinstance(node, dict) else bounds
        sort = sort_of(node)
        return bounded(schema, sort or "", {word: bounds[word] for word in goes_with(sort) if word in bounds})

    def _plain(self, node: Any) -> JsonSchema:
        if isinstance(node, str):
            return self.type(self._named[node]) if node in self._named else dict(_PRIMITIVES[node])
        if node.get("logicalType") in _LOGICAL:
            return dict(_LOGICAL[node["logicalType"]])
        if node.get("logicalType") == "decimal":
            return _decimal(node["precision"], node.get("scale", 0))
        match node["type"]:
            case "record" | "enum":
                return self._named_type(node)
            case "array":
                return {"type": "array", "items": self.type(node["items"])}
            case "map":
                return {"type": "object", "additionalProperties": self.type(node["values"])}
            case "fixed":
                return _fixed(node["size"])
            case inner:
                return self.type(inner)

    def _named_type(self, node: Mapping[str, Any]) -> JsonSchema:
        name = f"{node['namespace']}.{node['name']}"
        if self._closed and node["type"] == "record" and node.get("kind") != "command":
            name += "-sent"
        if name not in self._components:
            self._components[name] = self._record(node) if node["type"] == "record" else _enum(node)
        return {"$ref": f"#/components/schemas/{name}"}

    def _record(self, node: Mapping[str, Any]) -> JsonSchema:
        fields = node["fields"]
        required = [field["name"] for field in fields if not self._closed or "default" not in field]
        schema: JsonSchema = {
            **_described(node),
            "type": "object",
            "properties": {field["name"]: self._field(field, bounds_of(field, bounded_key(node))) for field in fields},
        }
        if required:
            schema["required"] = required
        return {**schema, "additionalProperties": False} if self._closed else schema

    def _field(self, field: Mapping[str, Any], bounds: Bounds) -> JsonSchema:
        schema = self.type(field["type"], bounds)
        described = _described(field)
        if "default" in field and self._has_plain_default(field):
            described["default"] = field["default"]
        return {**schema, **described}  # beside a $ref, too: 2020-12 allows it

    def _has_plain_default(self, field: Mapping[str, Any]) -> bool:
        """Whether the default is the same in JSON as in Avro: bytes and logical types are written otherwise."""
        node = field["type"][0] if isinstance(field["type"], list) else field["type"]
        plain = isinstance(node, str) and node != "bytes" and self._named.get(node, {}).get("type") in (None, "enum")
        return plain and isinstance(field["default"], _PLAIN)


def _number(schema: JsonSchema) -> JsonSchema:
    """The part of a wide number's schema that is a number in JSON."""
    number: JsonSchema = schema["anyOf"][0] if "anyOf" in schema else schema
    return number


def _tagged(name: str, schema: JsonSchema) -> JsonSchema:
    described = "Beside text, what is no number in JSON stands under the name of its type."
    return {
        "type": "object",
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": False,
        "description": described,
    }


def _enum(node: Mapping[str, Any]) -> JsonSchema:
    return {**_described(node), "type": "string", "enum": list(node["symbols"])}


def _described(node: Mapping[str, Any]) -> JsonSchema:
    return {"description": node["doc"]} if node.get("doc") else {}


def _fixed(size: int) -> JsonSchema:
    length = (size + 2) // 3 * 4
    limits = {"minLength": length, "maxLength": length}
    return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64, **limits}


def _decimal(precision: int, scale: int) -> JsonSchema:
    whole = f"[0-9]{{1,{precision - scale}}}" if precision > scale else "0"
    part = f"(\\.[0-9]{{1,{scale}}})?" if scale else ""
    return {"type": "string", "pattern": f"^-?{whole}{part}$", "description": "A decimal."}
