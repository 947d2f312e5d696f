"""Errors over HTTP: ``application/problem+json`` (RFC 9457), one shape for every status.

A problem says what to do. It never shows a stack trace, a path or a topic; where there is more to know, the log has
it under the same correlation id.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class HttpProblem(HTTPException):
    """An answer that is raised: not an error of ours, so it stands outside the tree of ``verbwire.errors``.

    `code` is for programs, `detail` for people; `more` are members of its own.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.more = more or {}

    def body(self) -> bytes:
        """The JSON document, RFC 9457 section 3."""
        return msgspec.json.encode(
            {
                "type": f"urn:verbwire:problem:{self.code}",
                "title": HTTPStatus(self.status_code).phrase,
                "status": self.status_code,
                "detail": self.detail,
                "code": self.code,
                **self.more,
            }
        )

    def response(self) -> Response:
        """The answer; not to be cached by anybody."""
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return Response(self.body(), self.status_code, headers, MEDIA_TYPE)


def of_router(error: HTTPException, method: str) -> HttpProblem:
    """Return what to say where the router found no route, or one that has other methods."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        detail = f"{method} is not allowed here: use {allow.replace(', ', ' or ')}"
        return HttpProblem(405, "method_not_allowed", detail, {"Allow": allow})
    return HttpProblem(404, "no_such_page", "nothing is here: GET /tables lists what can be read")


def broken(correlation: str) -> HttpProblem:
    """Return what to say when our own code raised; the log holds the rest under `correlation`."""
    detail = "something broke here: give the correlation id to whoever runs this worker, its log says more"
    return HttpProblem(
        500, "broken", detail, more={"instance": f"urn:uuid:{correlation}", "correlation_id": correlation}
    )


def page_too_large(why: str, more: Mapping[str, Any] | None = None) -> HttpProblem:
    """Return what to say where rows are too many bytes for what was asked: it can be asked for in smaller parts."""
    return HttpProblem(400, "page_too_large", f"{why}: ask for fewer rows by page_size, and follow `next`", more=more)


def unavailable(code: str, detail: str, seconds: int = 1, more: Mapping[str, Any] | None = None) -> HttpProblem:
    """Return 503 with the number of seconds after which asking again makes sense."""
    return HttpProblem(503, code, detail, {"Retry-After": str(seconds)}, more)
