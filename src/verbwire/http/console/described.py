"""The console's paths in the OpenAPI document. What they answer with is the console's own, and may change with it."""

from __future__ import annotations

import re

from verbwire.http.console.api import API
from verbwire.http.console.pages import ASSETS, PAGE
from verbwire.http.operations.openapi_parts import Json, content, problem_refs

_ANY = (400, 414, 431, 500)
_LOOKS = {
    "session": "Who is signed in, and at which worker",
    "catalog": "The messages and tables of the project",
    "topology": "What flows where, with its places in the drawing",
    "lag": "How far each group is behind",
    "status": "Workers, groups, and what is odd, with what to do",
    "describe/{name}": "A message, group or topic: its declaration, and what stands on the cluster",
    "rejections": "The newest outcomes that are no acceptance",
    "processes": "The open instances of all processes, and what each waits for",
    "processes/{name}/{key}": "An open instance: its steps, its deadlines, the commands that it has sent",
    "history/{name}/{key}": "Every record of a key in a context",
    "trace/{name}": "A flow as a tree, by the id of one of its messages",
    "why/{name}/{key}": "What led to a row",
    "dead-letters": "The newest dead letters of every group",
    "dead-letters/{name}/{place}": "One dead letter; its place is written partition-offset",
}
_FOR_ALL = ("session", "catalog")
_PARAMETER = re.compile(r"\{(\w+)\}")
_TEXT: Json = {"type": "string"}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_MAYBE_TIME: Json = {"type": ["integer", "null"], "description": "Milliseconds since the epoch."}
_WHERE: Json = {
    "type": "object",
    "description": "What they must be like: `type` is a full name or its end, `text` is somewhere in the detail.",
    "properties": {
        **dict.fromkeys(("type", "reason", "key", "text"), _MAYBE_TEXT),
        **dict.fromkeys(("since", "until"), _MAYBE_TIME),
    },
    "additionalProperties": False,
}
_AGAIN: Json = {"type": "boolean", "default": False, "description": "Those too that something was done with already."}
_CHOICE: Json = {
    "places": {"type": ["array", "null"], "items": _TEXT, "description": "partition/offset; null: all."},
    "where": _WHERE,
    "as_of": {**_MAYBE_TEXT, "description": "As a list told it: those that came later are not meant."},
    "dry_run": {"type": "boolean", "default": False, "description": "Only tell which they are."},
}
_REQUEUE: Json = {
    **_CHOICE,
    "again": _AGAIN,
    "unchecked": {"type": "boolean", "default": False, "description": "Those too whose record is gone."},
    "insist": {"type": "boolean", "default": False, "description": "Those too that came back again and again."},
    "rate": {"type": ["integer", "null"], "minimum": 1, "description": "At most so many a second."},
}
_DISCARD: Json = {**_CHOICE, "why": {"type": "string", "minLength": 1, "maxLength": 500}}
_FIND: Json = {"where": _WHERE, "limit": {"type": "integer", "minimum": 1, "maximum": 1000}, "again": _AGAIN}
_ACTS: dict[str, tuple[str, str, Json, list[str]]] = {  # what it is, what it answers, its body, what has to be there
    "dead-letters/{name}": (
        "Requeue dead letters of a group",
        "How many were requeued, and why others were not.",
        _REQUEUE,
        ["places"],
    ),
    "dead-letters/{name}/discard": (
        "Discard dead letters of a group, and say why",
        "How many were discarded, and why others were not.",
        _DISCARD,
        ["places", "why"],
    ),
    "dead-letters/{name}/find": ("Find dead letters of a group", "The newest that are like that.", _FIND, []),
    "processes/{name}/{key}/retry": (
        "Ask once more for what a process instance waits for",
        "What its group was asked: commands sent again, outcomes handed over, commands that are gone.",
        {"why": {"type": "string", "maxLength": 500}},
        [],
    ),
    "processes/{name}/{key}/cancel": (
        "Cancel a process instance, and say why",
        "What its group was asked.",
        {"why": {"type": "string", "minLength": 1, "maxLength": 500}},
        ["why"],
    ),
}


def console_paths() -> dict[str, Json]:
    """Return all of them."""
    looks = {API + path: {"get": _look(path, what)} for path, what in _LOOKS.items()}
    return {PAGE: {"get": _page("The console")}, ASSETS + "{path}": {"get": _asset()}, **looks, **_acts()}


def _look(path: str, what: str) -> Json:
    found = () if path in _FOR_ALL or path == "topology" else (404, 503)
    answers = {"200": _answer("The answer."), **problem_refs(*_ANY, 401, 403, 429, *found)}
    return _operation(path, what, answers)


def _acts() -> dict[str, Json]:
    return {API + path: {"post": _act(path, *said)} for path, said in _ACTS.items()}


def _act(path: str, what: str, answer: str, properties: Json, required: list[str]) -> Json:
    refused = problem_refs(*_ANY, 401, 403, 404, 408, 411, 413, 415, 429, 503)
    body = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {
        **_operation(path, what, {"200": _answer(answer), **refused}),
        "requestBody": {"required": True, "content": content(body)},
    }


def _operation(path: str, what: str, answers: Json) -> Json:
    parameters = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in _PARAMETER.findall(path)]
    return {
        "operationId": f"console {path}",
        "tags": ["console"],
        "summary": what,
        **({"parameters": parameters} if parameters else {}),
        "responses": dict(sorted(answers.items())),
    }


def _page(what: str) -> Json:
    page = {"description": "A file without data.", "content": content(_TEXT, "text/html")}
    answers = {"200": page, "304": {"description": "It is the same as yours."}, **problem_refs(*_ANY, 401, 429)}
    return {**_operation("page", what, answers), "security": []}


def _asset() -> Json:
    file = {"description": "A file without data.", "content": content(_TEXT, "text/javascript")}
    answers = {"200": file, "304": {"description": "It is the same as yours."}, **problem_refs(*_ANY, 401, 404, 429)}
    return {**_operation("file/{path}", "A file of the console", answers), "security": []}


def _answer(what: str) -> Json:
    return {"description": what, "content": content({})}
