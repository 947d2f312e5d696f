"""Our attributes of a message: kind, key, time, and what goes with each kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from verbwire.contracts.schema.defaults import named_types
from verbwire.contracts.schema.grammar import OURS, Json, full_name
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace, near
from verbwire.messages import CANCELLED, FORBIDDEN, ID_REUSED, KEPT, OUT_OF_BOUNDS, Kind

_KEY_TYPES = ("string", "int", "long", "bytes", "fixed", "enum")
_WINDOW_TYPES = ("date", "timestamp-millis", "timestamp-micros")  # in keys of several fields, where order counts
_TIME_TYPES = ("date", "timestamp-millis", "timestamp-micros")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SCOPE = re.compile(r"[a-z0-9][a-z0-9_.*-]*(:[a-z0-9_.*-]+)*")
_OWN_CODES = (FORBIDDEN, ID_REUSED, OUT_OF_BOUNDS)
_REQUESTS = (Kind.COMMAND, Kind.QUERY)
_MAY_LACK_KEY = (Kind.QUERY, Kind.REPLY)  # that decides no partition
_ANSWERS = (Kind.ROW, Kind.REPLY, None)  # kinds of what a query is answered by
ALLOWED: dict[str, tuple[Kind, ...]] = {
    "key": tuple(Kind),
    "time": (Kind.COMMAND, Kind.EVENT, *KEPT),
    "requires": _REQUESTS,
    "public": _REQUESTS,
    "rejections": (Kind.COMMAND,),
    "reply": _REQUESTS,
    "many": (Kind.QUERY,),
    "response": (Kind.COMMAND,),
    "grant": (Kind.COMMAND,),
    "schedulable": (Kind.COMMAND,),
}
_WHY_NOT = {
    Kind.EVENT: "an event has no answer and cannot be refused",
    Kind.QUERY: "a query is always answered and changes nothing",
    Kind.ROW: "a row is what a table holds",
    Kind.STATE: "a state is what an aggregate or a process keeps",
    Kind.REPLY: "a reply is what a command or a query is answered with",
    Kind.COMMAND: "a command has no such thing",
}


def key_of(schema: dict[str, Any]) -> tuple[str, ...]:
    """The names of the key's fields, in order; none where a query has no key."""
    key = schema.get("key", ())
    return (key,) if isinstance(key, str) else tuple(key)


def reply_of(schema: dict[str, Any]) -> str | None:
    """The full name of the record that answers, if the schema names one."""
    reply = schema.get("reply")
    return full_name(reply, schema["namespace"]) if isinstance(reply, str) else None


def attribute_problems(
    schema: dict[str, Any], place: SchemaPlace, records: Mapping[str, str | None]
) -> Iterator[ContractProblem]:
    """What is wrong with our attributes of a resolved schema; `records` are the kinds of all, by full name."""
    if "kind" not in schema:
        for name in sorted(set(OURS) & set(schema)):
            yield place.at(name).problem('says something about a message: add "kind", or remove it')
        return
    if schema["kind"] not in list(Kind):
        known = ", ".join(Kind)
        yield place.at("kind").problem(
            f"{schema['kind']!r} is unknown: {near(str(schema['kind']), Kind)}There are {known}"
        )
        return
    kind = Kind(schema["kind"])
    for name, check in _CHECKS.items():
        if name in schema and kind not in ALLOWED[name]:
            yield place.at(name).problem(f"does not go with a {kind}, {_WHY_NOT[kind]}: remove it")
        elif name in schema:
            for text in check(schema, schema[name]):
                yield place.at(name).problem(text)
    if "aliases" in schema:
        yield place.at("aliases").problem(
            f"a {kind} is not renamed: by its name it is found in registry, topic and headers, and those of before "
            "would be passed over. Keep the name; or add the new one beside it, handle both, and drop the old one when "
            "no topic holds it any more"
        )
    if "key" not in schema and kind not in _MAY_LACK_KEY:
        yield place.at("key").problem(f"is missing: name the field that decides the partition, {_fields(schema)}")
    if schema.get("public") and schema.get("requires"):
        yield place.at("public").problem('contradicts "requires": remove one of the two')
    if schema.get("response") == "none" and "reply" in schema:
        yield place.at("response").problem('"none" contradicts "reply": remove one of the two')
    if schema.get("response") == "none" and schema.get("rejections"):
        yield place.at("response").problem('"none" contradicts "rejections", no client would receive them: remove one')
    if reply := reply_of(schema):
        yield from _reply_problems(kind, reply, place.at("reply"), records)


def _reply_problems(
    kind: Kind, reply: str, place: SchemaPlace, records: Mapping[str, str | None]
) -> Iterator[ContractProblem]:
    if reply not in records:
        may = [name for name, kind_of in records.items() if kind_of in _ANSWERS]
        known = near(reply.rpartition(".")[2], [name.rpartition(".")[2] for name in may])
        yield place.problem(f"there is no record {reply} with a file of its own: {known}Name one")
    elif kind is Kind.COMMAND and records[reply] != Kind.REPLY:
        found = f"of kind {records[reply]}" if records[reply] else "a part of others"
        yield place.problem(f'{reply} is {found}, and an outcome holds a reply of its own: give it "kind": "reply"')
    elif records[reply] not in _ANSWERS:
        yield place.problem(
            f"{reply} is of kind {records[reply]}: a query is answered by a row, a reply or a plain record"
        )


def _key_texts(schema: dict[str, Any], key: Json) -> Iterator[str]:
    names = [key] if isinstance(key, str) else key
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        yield 'is the name of a field ("cart_id"), or of several for the rows of a window (["cart_id", "minute"])'
        return
    if len(names) > 1 and schema["kind"] != Kind.ROW:
        yield "has several fields, which only rows of windows may: name the one field that decides the partition"
    if len(set(names)) < len(names):
        yield "names a field twice: remove one"
    named = named_types(schema)
    types = {field["name"]: field["type"] for field in schema["fields"]}
    types |= {name: named[each] for name, each in types.items() if isinstance(each, str) and each in named}
    for name in names:
        if name not in types:
            yield f"{name!r} is no field: {near(name, types)}{_fields(schema)}"
        elif not _is_keyable(types[name], window=len(names) > 1):
            yield f"{name!r} is {_describe(types[name])}, which cannot be a key: use string, int, long, uuid or bytes"


def _is_keyable(avro_type: Json, *, window: bool) -> bool:
    if not isinstance(avro_type, dict):
        return avro_type in _KEY_TYPES
    logical = avro_type.get("logicalType", "uuid")
    return avro_type["type"] in _KEY_TYPES and (logical == "uuid" or (window and logical in _WINDOW_TYPES))


def _time_texts(schema: dict[str, Any], time: Json) -> Iterator[str]:
    types = {field["name"]: field["type"] for field in schema["fields"]}
    if not isinstance(time, str) or time not in types:
        yield f"{time!r} is no field: {near(str(time), types)}{_fields(schema)}"
    elif not isinstance(types[time], dict) or types[time].get("logicalType") not in _TIME_TYPES:
        yield (
            f"field {time!r} is {_describe(types[time])}, which is no event time: "
            f"use the logical type {', '.join(_TIME_TYPES[:-1])} or {_TIME_TYPES[-1]}"
        )


def _requires_texts(_schema: dict[str, Any], requires: Json) -> Iterator[str]:
    yield from _list_texts(requires, _SCOPE, 'scopes, like ["carts:write"], in lower case without spaces')


def _rejections_texts(schema: dict[str, Any], rejections: Json) -> Iterator[str]:
    yield from _list_texts(rejections, _SNAKE, 'codes in snake_case, like ["empty_cart"]')
    for code in (*_OWN_CODES, *([CANCELLED] if schema.get("schedulable") is True else [])):
        if isinstance(rejections, list) and code in rejections:
            yield f"{code!r} is verbwire's own code, with which every such command may be rejected: remove it"


def _list_texts(value: Json, pattern: re.Pattern[str], what: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"is a list of {what}"
        return
    for each in value:
        if not isinstance(each, str) or not pattern.fullmatch(each):
            yield f"{each!r} does not do: write a list of {what}"
        elif value.count(each) > 1:
            yield f"{each!r} is there twice: remove one"


def _public_texts(_schema: dict[str, Any], public: Json) -> Iterator[str]:
    if not isinstance(public, bool):
        yield "is true or false, without quotes"


def _reply_texts(_schema: dict[str, Any], reply: Json) -> Iterator[str]:
    if not isinstance(reply, str):
        yield 'is the name of a record, like "CartRow"'


def _many_texts(_schema: dict[str, Any], many: Json) -> Iterator[str]:
    if not isinstance(many, bool):
        yield "is true where a list of replies answers, or false: without quotes"


def _response_texts(_schema: dict[str, Any], response: Json) -> Iterator[str]:
    if response not in ("none", "outcome"):
        yield f'{response!r} is unknown: write "none" where nobody waits for the outcome, or remove it'


def _grant_texts(_schema: dict[str, Any], grant: Json) -> Iterator[str]:
    if grant != "required":
        yield f'{grant!r} is unknown: write "required" where a command has to prove whose it is, or remove it'


def _schedulable_texts(_schema: dict[str, Any], schedulable: Json) -> Iterator[str]:
    if not isinstance(schedulable, bool):
        yield "is true where the command may be sent for later, or false: without quotes"


_CHECKS: dict[str, Callable[[dict[str, Any], Json], Iterator[str]]] = {
    "key": _key_texts,
    "time": _time_texts,
    "requires": _requires_texts,
    "public": _public_texts,
    "rejections": _rejections_texts,
    "reply": _reply_texts,
    "many": _many_texts,
    "response": _response_texts,
    "grant": _grant_texts,
    "schedulable": _schedulable_texts,
}


def _fields(schema: dict[str, Any]) -> str:
    names = ", ".join(field["name"] for field in schema["fields"])
    return f"there are {names}" if names else "the record has no fields"


def _describe(avro_type: Json) -> str:
    if isinstance(avro_type, list):
        return "a union (it may be null)" if "null" in avro_type else "a union"
    return str(avro_type.get("logicalType", avro_type["type"]) if isinstance(avro_type, dict) else avro_type)
