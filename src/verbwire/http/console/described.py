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
    "history/{name}/{key}": "Every record of a key in a context",
    "trace/{name}": "A flow as a tree, by the id of one of its messages",
    "why/{name}/{key}": "What led to a row",
    "dead-letters": "The newest dead letters of every group",
    "dead-letters/{name}/{place}": "One dead letter; its place is written partition-offset",
}
_FOR_ALL = ("session", "catalog")
_PARAMETER = re.compile(r"\{(\w+)\}")
_TEXT: Json = {"type": "string"}
_REQUEUE: Json = {
    "type": "object",
    "properties": {
        "places": {"type": ["array", "null"], "items": _TEXT, "description": "partition/offset; null: all."},
        "again": {"type": "boolean", "default": False, "description": "Those too that were requeued already."},
        "unchecked": {"type": "boolean", "default": False, "description": "Those too whose record is gone."},
    },
    "required": ["places"],
    "additionalProperties": False,
}


def console_paths() -> dict[str, Json]:
    """Return all of them."""
    looks = {API + path: {"get": _look(path, what)} for path, what in _LOOKS.items()}
    return {PAGE: {"get": _page("The console")}, ASSETS + "{path}": {"get": _asset()}, **looks, **_requeue()}


def _look(path: str, what: str) -> Json:
    found = () if path in _FOR_ALL or path == "topology" else (404, 503)
    answers = {"200": _answer("The answer."), **problem_refs(*_ANY, 401, 403, 429, *found)}
    return _operation(path, what, answers)


def _requeue() -> dict[str, Json]:
    path = "dead-letters/{name}"
    answers = {
        "200": _answer("How many were requeued, and why others were not."),
        **problem_refs(*_ANY, 401, 403, 404, 408, 411, 413, 415, 429, 503),
    }
    body = {"required": True, "content": content(_REQUEUE)}
    return {API + path: {"post": {**_operation(path, "Requeue dead letters of a group", answers), "requestBody": body}}}


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
