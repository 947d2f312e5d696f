"""The grammar of a schema file: Avro's own rules, and the few more that generated Python classes need.

It looks at one file by itself, before references to other files are resolved. Source: Avro 1.12 specification,
"Schema Declaration".
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from verbwire.contracts.schema.bounds import WORDS, bound_problems
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace, near

Json: TypeAlias = Any

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
COMPLEX = ("record", "enum", "fixed", "array", "map")
LOGICAL_TYPES = {
    "date": ("int",),
    "decimal": ("bytes", "fixed"),
    "duration": ("fixed",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-millis": ("long",),
    "time-micros": ("long",),
    "time-millis": ("int",),
    "timestamp-micros": ("long",),
    "timestamp-millis": ("long",),
    "uuid": ("string",),  # not "fixed": fastavro 1.13 cannot write it
}
_MEANT = {  # other languages' words
    "datetime": "timestamp-millis",
    "time": "time-millis",
    "timestamp": "timestamp-millis",
}
OURS = ("kind", "key", "time", "requires", "public", "rejections", "reply", "many", "response", "grant", "schedulable")

_NAMED = ("type", "namespace", "name", "doc", "aliases")
_LOGICAL = ("logicalType", "precision", "scale")
_ATTRIBUTES = {
    "record": (*_NAMED, "fields"),
    "enum": (*_NAMED, "symbols", "default"),
    "fixed": (*_NAMED, "size", *_LOGICAL),
    "array": ("type", "items"),
    "map": ("type", "values"),
}
_FIELD = ("name", "type", "doc", "default", "order", "aliases", "personal", *WORDS)
_MAX_NESTING = 200  # of lists and objects in the JSON; far more than any readable schema has
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
_FIELD_NAME = re.compile(r"(?!__)[A-Za-z_]\w*", re.ASCII)
_SYMBOL = re.compile(r"[A-Za-z]\w*", re.ASCII)


def full_name(name: str, namespace: str) -> str:
    """A type's full name, as written in a schema of that namespace."""
    return name if "." in name or not namespace else f"{namespace}.{name}"


def logical_hint(name: str) -> str:
    """Return what is meant where the name of a logical type, or nearly one, stands as a type; else nothing."""
    meant = name if name in LOGICAL_TYPES else _MEANT.get(name.lower())
    if meant is None:
        return ""
    example = f'{{"type": "{LOGICAL_TYPES[meant][0]}", "logicalType": "{meant}"}}'
    return f'{meant} is a logical type: write "type": {example}'


def file_problems(schema: Json, place: SchemaPlace) -> Iterator[ContractProblem]:
    """What is wrong with the content of one file, references aside."""
    if not isinstance(schema, dict) or schema.get("type") not in ("record", "enum", "fixed"):
        yield place.problem('a file holds one record, enum or fixed: begin with {"type": "record", ...}')
        return
    if _is_too_nested(schema):
        yield place.problem(f"lists and objects stand more than {_MAX_NESTING} deep in each other: flatten them")
        return
    if not isinstance(schema.get("namespace"), str):
        yield place.at("namespace").problem('is missing: write the context, like "namespace": "shop.carts"')
    yield from type_problems(schema, place, OURS if schema["type"] == "record" else ())


def type_problems(node: Json, place: SchemaPlace, more: tuple[str, ...] = ()) -> Iterator[ContractProblem]:
    """What is wrong with a type and the types inside it; `more` are attributes allowed on this one beside Avro's."""
    if isinstance(node, str):
        yield from _name_problems(node, place)
    elif isinstance(node, list):
        for branch in node:
            if isinstance(branch, list):
                yield place.problem("a union stands directly inside a union: merge the two")
            else:
                yield from type_problems(branch, place, more)
    elif isinstance(node, dict) and isinstance(node.get("type"), str):
        yield from _object_problems(node, place, more)
    else:
        yield place.at("type").problem(
            'is missing or is no type: write a name ("string"), a union (["null", "string"]) or {"type": "array", ...}'
        )


def _name_problems(name: str, place: SchemaPlace) -> Iterator[ContractProblem]:
    if name in COMPLEX:
        example = f'"type": {{"type": "{name}", ...}}'
        yield place.at("type").problem(f"{name!r} has to be spelled out: write {example}")
    elif name in LOGICAL_TYPES and not _REFERENCE.fullmatch(name):
        yield place.at("type").problem(logical_hint(name))
    elif not _REFERENCE.fullmatch(name):
        yield place.at("type").problem(f"{name!r} is no name of a type: use letters, digits, _ and dots")


def _object_problems(node: dict[str, Json], place: SchemaPlace, more: tuple[str, ...]) -> Iterator[ContractProblem]:
    avro_type = node["type"]
    yield from _unknown_attributes(node, (*_ATTRIBUTES.get(avro_type, ("type", *_LOGICAL)), *more), place)
    if not isinstance(node.get("doc", ""), str):
        yield place.at("doc").problem("is text: put it in quotes")
    if avro_type in ("record", "enum", "fixed"):
        yield from _class_name_problems(node, place)
    if "logicalType" in node:
        yield from _logical_problems(node, place)
    if more is WORDS:
        yield from bound_problems(node, node, place)
    if avro_type == "record":
        yield from _record_problems(node, place)
    elif avro_type == "enum":
        yield from _enum_problems(node, place)
    elif avro_type == "fixed":
        if not _is_whole(node.get("size")) or node["size"] < 1:
            yield place.at("size").problem("is missing or wrong: give the number of bytes, 1 or more")
    elif avro_type in ("array", "map"):
        inner = "items" if avro_type == "array" else "values"
        if inner in node:
            yield from type_problems(node[inner], place.inside(), WORDS)
        else:
            yield place.at(inner).problem(f"is missing: say what the {avro_type} holds")
    elif avro_type not in PRIMITIVES:
        yield from _name_problems(avro_type, place)


def _class_name_problems(node: dict[str, Json], place: SchemaPlace) -> Iterator[ContractProblem]:
    name = node.get("name")
    if not isinstance(name, str):
        yield place.at("name").problem("is missing: name the type in CapWords, like CartLine")
    elif not _CLASS_NAME.fullmatch(name) or keyword.iskeyword(name):
        yield place.at("name").problem(
            f"{name!r} does not do as the name of a class: use CapWords without dots or underscores, like CartLine"
        )
    yield from _alias_problems(node, place)


def _alias_problems(node: dict[str, Json], place: SchemaPlace) -> Iterator[ContractProblem]:
    aliases = node.get("aliases", [])
    if not isinstance(aliases, list) or not all(
        isinstance(each, str) and _REFERENCE.fullmatch(each) for each in aliases
    ):
        yield place.at("aliases").problem('is a list of names, like ["old_name"]')


def _record_problems(node: dict[str, Json], place: SchemaPlace) -> Iterator[ContractProblem]:
    fields = node.get("fields")
    if not isinstance(fields, list):
        yield place.at("fields").problem('is missing or no list: write "fields": [...], empty if there are none')
        return
    for number, field in enumerate(fields, 1):
        if isinstance(field, dict) and isinstance(field.get("name"), str):
            yield from _field_problems(field, place.at_field(field["name"]))
        else:
            yield place.at("fields").problem(f'number {number} has no name: write {{"name": ..., "type": ...}}')
    named = [field for field in fields if isinstance(field, dict) and isinstance(field.get("name"), str)]
    for name in _repeated(field["name"] for field in named):
        yield place.at_field(name).problem("is there twice: rename or remove one")
    aliases = [alias for field in named for alias in _names(field.get("aliases"))]
    for name in _repeated([*{field["name"] for field in named}, *aliases]):
        if name in aliases:
            yield place.at_field(name).problem(
                "is an alias, and is there beside it: remove one, nothing tells them apart"
            )


def _field_problems(field: dict[str, Json], place: SchemaPlace) -> Iterator[ContractProblem]:
    name = field["name"]
    if keyword.iskeyword(name):
        yield place.problem(f"{name!r} is a keyword of Python: choose another name, like {name + '_'!r}")
    elif not _FIELD_NAME.fullmatch(name):
        yield place.problem("use letters, digits and _ in its name, and no __ in front")
    yield from _unknown_attributes(field, _FIELD, place)
    if not isinstance(field.get("personal", False), bool):
        yield place.at("personal").problem("is true or false, without quotes")
    if not isinstance(field.get("doc", ""), str):
        yield place.at("doc").problem("is text: put it in quotes")
    yield from _alias_problems(field, place)
    yield from type_problems(field.get("type"), place)
    yield from bound_problems(field, field.get("type"), place)


def _enum_problems(node: dict[str, Json], place: SchemaPlace) -> Iterator[ContractProblem]:
    symbols = node.get("symbols")
    if not isinstance(symbols, list) or not symbols or not all(isinstance(each, str) for each in symbols):
        yield place.at("symbols").problem('is missing or no list of names: write "symbols": ["OPEN", ...]')
        return
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            yield place.at("symbols").problem(f"{symbol!r}: begin with a letter, then letters, digits and _")
    for symbol in _repeated(each.upper() for each in symbols):
        yield place.at("symbols").problem(f"{symbol!r} is there twice (capitals make no difference): remove one")
    if "default" in node and node["default"] not in symbols:
        yield place.at("default").problem(f"{node['default']!r} is none of the symbols: use one of {symbols}")


def _logical_problems(node: dict[str, Json], place: SchemaPlace) -> Iterator[ContractProblem]:
    logical, avro_type, here = node["logicalType"], node["type"], place.at("logicalType")
    if logical not in LOGICAL_TYPES:
        known = ", ".join(LOGICAL_TYPES)
        yield here.problem(f"{logical!r} is unknown: {near(str(logical), LOGICAL_TYPES)}There are {known}")
    elif avro_type not in LOGICAL_TYPES[logical]:
        yield here.problem(f"{logical} stands on {' or '.join(LOGICAL_TYPES[logical])}, not on {avro_type}")
    elif logical == "duration" and node.get("size") != 12:
        yield place.at("size").problem("a duration takes 12 bytes")
    elif logical == "decimal":
        precision: Json = node.get("precision")
        scale: Json = node.get("scale", 0)
        if not _is_whole(precision) or not _is_whole(scale) or not 0 <= scale <= precision or precision < 1:
            yield here.problem('a decimal needs "precision" (all digits, 1 or more) and "scale" (0 to precision)')
        elif _is_whole(node.get("size")) and 10**precision > 2 ** (8 * node["size"] - 1):
            yield place.at("size").problem(f"{node['size']} bytes are too few for {precision} digits")


def _unknown_attributes(node: dict[str, Json], known: tuple[str, ...], place: SchemaPlace) -> Iterator[ContractProblem]:
    """Foreign tools mark theirs by a dot or a dash (``connect.name``, ``java-class``); the rest may be a slip."""
    for name in node:
        if name not in known and not re.search(r"[.-]", name):
            ours = " (only a message has it, at the top of its file)" if name in OURS else ""
            yield place.at(name).problem(f"is no attribute here{ours}: {near(name, known)}Known are {', '.join(known)}")


def _is_too_nested(schema: Json) -> bool:
    """Level by level: the checks after it recurse."""
    level = [schema]
    for _ in range(_MAX_NESTING):
        level = [
            inner
            for node in level
            if isinstance(node, (dict, list))
            for inner in (node.values() if isinstance(node, dict) else node)
        ]
    return bool(level)


def _names(value: Json) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
