"""Reads parameters and headers of requests, and writes JSON responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from verbwire.http.base import problem_types
from verbwire.http.base.concurrency import ByteBudget
from verbwire.http.base.problem import HttpProblem
from verbwire.principal import Principal

_MOST_PARAMETERS = 100


def path_parameter(request: Request, name: str) -> str:
    """Return a part of the path, decoded; 400 when it is not UTF-8."""
    try:
        return unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError:
        raise HttpProblem(
            problem_types.BAD_PATH[name], f"the {name} in the path is not UTF-8: percent-encode its UTF-8"
        ) from None


def query_string(request: Request) -> bytes:
    """Return the query as it was sent."""
    query: bytes = request.scope["query_string"]
    return query


def parameters(query: bytes, allowed: Sequence[str]) -> dict[str, str]:
    """Return the query's parameters; 400 for one that is unknown here, said twice, or not text."""
    if not query:
        return {}
    try:
        pairs = [_pair(each) for each in _parts(query) if each]
    except ValueError as error:
        raise HttpProblem(problem_types.BAD_QUERY, f"the query cannot be read: {error}") from None
    found = dict(pairs)
    if unknown := [each for each in found if each not in allowed]:
        known = f"use {', '.join(allowed)}" if allowed else "this path takes none"
        raise HttpProblem(
            problem_types.UNKNOWN_PARAMETER, f"unknown parameter {', '.join(map(repr, sorted(unknown)))}: {known}"
        )
    if len(found) < len(pairs):
        raise HttpProblem(problem_types.REPEATED_PARAMETER, "send each parameter once")
    return found


def no_parameters(request: Request) -> None:
    """Refuse a query where there is none: 400."""
    parameters(query_string(request), ())


def _parts(query: bytes) -> list[str]:
    parts = query.decode("ascii").split("&")
    if len(parts) > _MOST_PARAMETERS:
        raise ValueError(f"it has more than {_MOST_PARAMETERS} parameters")
    return parts


def _pair(part: str) -> tuple[str, str]:
    """Return name and value as ``parse_qsl`` has them, which takes as long as a row; ValueError for what is no text."""
    if "%" not in part and "+" not in part:
        name, _, value = part.partition("=")
        return name, value
    name, _, value = part.replace("+", " ").partition("=")
    return unquote(name, errors="strict"), unquote(value, errors="strict")


def header(request: Request, name: str) -> str | None:
    """Return a field of the head that may stand there once; 400 when it is repeated."""
    values = fields_of(request.scope).get(_small(name))
    if values is None:
        return None
    if len(values) > 1:
        raise HttpProblem(problem_types.REPEATED_HEADER, f"send {name} once")
    return values[0].decode("latin-1")


@lru_cache  # of the few names that are in our code
def _small(name: str) -> bytes:
    return name.lower().encode("latin-1")


def fields_of(scope: Scope) -> Mapping[bytes, Sequence[bytes]]:
    """Return the fields of the head by their names, in small letters, each with its values in order.

    What serves the request has noted them in its one pass over the head.
    """
    found: Mapping[bytes, Sequence[bytes]] = scope["fields"]
    return found


def first(fields: Mapping[bytes, Sequence[bytes]], name: bytes) -> str:
    """Return the first value of a field, nothing where it is not there."""
    values = fields.get(name)
    return values[0].decode("latin-1") if values else ""


def whole_body(request: Request) -> bytes | None:
    """Return the body where all of it has come already, so that it need not be waited for; else None."""
    taken: bytes | None = request.scope.get("whole_body", _not_known)()
    return taken


def _not_known() -> None:
    """What serves the request does not tell: :meth:`Request.body` does."""


def principal_of(request: Request) -> Principal:
    """Return the principal: set by access control, never by the client."""
    found: Principal = request.scope["principal"]
    return found


def byte_budget_of(request: Request) -> ByteBudget:
    """Return the byte budget of this request: set by access control."""
    found: ByteBudget = request.scope["byte_budget"]
    return found


def json_bytes(body: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return an answer of JSON; not to be kept by anybody, it is as new as its table is now."""
    return _Json(body, headers, status)


class _Json(Response):
    """Starlette's own finds out what of these fields is missing, which takes longer than a row."""

    media_type = "application/json"

    def __init__(self, body: bytes, headers: Mapping[str, str] | None, status: int) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"cache-control", b"no-store"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        for name, value in (headers or {}).items():
            self.raw_headers.append((_small(name), value.encode("latin-1")))
