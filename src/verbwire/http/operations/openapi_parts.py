"""Components of the OpenAPI document: problems, headers, parameters, and schemas of our own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeAlias

from verbwire.http.base import limits, problem, problem_types
from verbwire.http.commands import idempotency
from verbwire.http.commands.endpoint import CORRELATION_HEADER, TTL, TTL_HEADER
from verbwire.http.commands.later import AFTER, AFTER_HEADER, AT_HEADER
from verbwire.wire.freshness import COMPLETE, STALE
from verbwire.wire.freshness import HEADER as FRESHNESS_HEADER
from verbwire.wire.positions import HEADER as POSITION_HEADER

Json: TypeAlias = dict[str, Any]

_WHY = {
    400: "The request is wrong: `code` and `detail` say how, `field` where in the message.",
    401: "Missing or invalid credentials; the answer is the same for every reason.",
    403: "The principal is known, but not allowed to do this.",
    404: "There is no such thing, or none that the principal may see; with `behind`: the table is still catching up.",
    408: "The body came too slowly.",
    409: "The aggregate rejected the command, and changed nothing: not allowed in its current state.",
    410: "The outcome was kept for seven days, and is gone.",
    411: "The body's length is missing.",
    413: "The body, or the message in it, is too large.",
    414: "The path and its query are too long.",
    415: "The body must be JSON, not compressed.",
    422: "The key belongs to another command, or to this one with other fields: give every command a key of its own.",
    429: "Too many requests, the principal's or in total, at once or a second: ask again after `Retry-After`.",
    431: "The header is too large.",
    500: "The request failed inside the worker, or the handler failed; nothing changed that the answer does not name.",
    503: "Not now: not ready, too busy, or not as new or as complete as asked for; ask again after `Retry-After`.",
    504: "The command expired before it was handled, and changed nothing.",
}
_LATER = (429, 503)
_DOUBTED = (404, 503)
_TEXT = {"type": "string"}

_PLACE = "[0-9]{1,9}:[0-9]{1,18}"
_PLACES = f"[A-Za-z0-9._-]{{1,249}}={_PLACE}(,{_PLACE})*"

SCHEMAS: Json = {
    "Problem": {
        "description": "RFC 9457. `code` is for programs, `detail` says what to do.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _TEXT,
            "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
        },
        "required": ["type", "title", "status", "detail", "code"],
    },
    "Pending": {
        "type": "object",
        "properties": {"outcome": {"const": "pending"}, "id": _TEXT},
        "required": ["outcome", "id"],
    },
}
PARAMETERS: Json = {
    "IdempotencyKey": {
        "name": idempotency.HEADER,
        "in": "header",
        "description": "Makes a repetition the same command, with one outcome. Valid for this principal and command.",
        "schema": {"type": "string", "pattern": idempotency.KEY},
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": (
            f"RFC 7240: `wait=N` seconds ({limits.WAIT:.0f} by default, {limits.MAX_WAIT} at most) until the answer is "
            "202; `respond-async`: at once. Other preferences are ignored."
        ),
        "schema": _TEXT,
    },
    "Ttl": {
        "name": TTL_HEADER,
        "in": "header",
        "description": "Seconds after which the command expires, by the broker's clock.",
        "schema": {"type": "string", "pattern": TTL},
    },
    "At": {
        "name": AT_HEADER,
        "in": "header",
        "description": "Delivers the command at this time, by the broker's clock; until then it can be cancelled.",
        "schema": {"type": "string", "format": "date-time"},
    },
    "After": {
        "name": AFTER_HEADER,
        "in": "header",
        "description": "Delivers the command after so many seconds instead, up to 400 days.",
        "schema": {"type": "string", "pattern": AFTER},
    },
    "Correlation": {
        "name": CORRELATION_HEADER,
        "in": "header",
        "description": "The id of the message that started the flow, where it was another.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
    },
    "Position": {
        "name": POSITION_HEADER,
        "in": "header",
        "description": (
            "As an answer to a command returned it: this answer is at least as new, or 503. A position beyond the end "
            "of its partition is a 400 at once."
        ),
        "schema": {"type": "string", "pattern": f"^({_PLACES}(;{_PLACES})*)?$"},
    },
    "Freshness": {
        "name": FRESHNESS_HEADER,
        "in": "header",
        "description": (
            "Accept complete answers only: 503 while the table is catching up. Or accept a row whose later records are "
            "parked, instead of 503."
        ),
        "schema": {"enum": [COMPLETE, STALE]},
    },
    "Page": {
        "name": "page",
        "in": "query",
        "description": f"From 1 on, as far as row {limits.MAX_ROW}; beyond follow `next`.",
        "schema": {"type": "integer", "minimum": 1, "default": 1},
    },
    "PageSize": {
        "name": "page_size",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": limits.MAX_PAGE_SIZE, "default": limits.PAGE_SIZE},
    },
    "Cursor": {"name": "cursor", "in": "query", "description": "The one in `next`.", "schema": _TEXT},
}
HEADERS: Json = {
    "Location": {"description": "Where to get the outcome.", "required": True, "schema": _TEXT},
    "Position": {
        "description": "Positions of the command's events: send it with a query that must see them.",
        "schema": _TEXT,
    },
    "Freshness": {
        "description": (
            "Whether the row's partition has read all that its inputs held when it was started, or how many records it "
            "is behind, at least: what is not found may be among them. Or that later records of its key are parked. "
            "Absent where no table answers."
        ),
        "schema": {"type": "string", "pattern": f"^({COMPLETE}|{STALE}|behind=[0-9]+)$"},
    },
    "PreferenceApplied": {"description": "The preferences of `Prefer` that were honoured.", "schema": _TEXT},
    "RetryAfter": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}},
}


def content(schema: Json, media_type: str = "application/json") -> Json:
    """Return what a body is."""
    return {media_type: {"schema": schema}}


def schema_ref(name: str) -> Json:
    """Return a reference to a schema among the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter_refs(*names: str) -> list[Json]:
    """Return references to parameters among the components."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def header_refs(**names: str) -> Json:
    """Return references to headers: the name of each with ``_`` for ``-``, and that of its component."""
    return {name.replace("_", "-"): {"$ref": f"#/components/headers/{part}"} for name, part in names.items()}


def problem_refs(*statuses: int) -> Json:
    """Return references to the problems that an operation may answer with."""
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses}


def problem_responses() -> Json:
    """Return the components that :func:`problem_refs` refers to."""
    return {_name(status): problem_response(status) for status in _WHY}


def problem_response(status: int, schema: Json | None = None) -> Json:
    """Return a response that is a problem; `schema` says more of it than the common one."""
    codes = [each.code for each in problem_types.ALL if each.status == status]
    known: list[Json] = [{"properties": {"code": {"enum": codes}}}] if schema is None and codes else []
    more = known if schema is None else [schema]
    common = schema_ref("Problem")
    body = {"allOf": [common, *more]} if more else common
    response: Json = {"description": _WHY[status], "content": content(body, problem.MEDIA_TYPE)}
    if status in _LATER:
        response["headers"] = header_refs(Retry_After="RetryAfter")
    if status in _DOUBTED:
        response.setdefault("headers", {}).update(header_refs(Verbwire_Freshness="Freshness"))
    return response


def _name(status: int) -> str:
    return HTTPStatus(status).name.title().replace("_", "")
