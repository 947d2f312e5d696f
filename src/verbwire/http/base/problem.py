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

from verbwire.http.base import problem_types
from verbwire.http.base.problem_types import ProblemType

MEDIA_TYPE = "application/problem+json"


class HttpProblem(HTTPException):
    """An answer that is raised: not an error of ours, so it stands outside the tree of ``verbwire.errors``.

    Its `type` has status and code, for programs; `detail` is for people; `more` are members of its own.
    """

    def __init__(
        self,
        type: ProblemType,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(type.status, detail, headers)
        self.type = type
        self.more = more or {}

    @property
    def code(self) -> str:
        """The code of its type."""
        return self.type.code

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
        return HttpProblem(problem_types.METHOD_NOT_ALLOWED, detail, {"Allow": allow})
    return HttpProblem(problem_types.NO_SUCH_PAGE, "nothing has this path: GET /openapi.json describes what there is")


def broken(correlation: str) -> HttpProblem:
    """Return what to say when our own code raised; the log holds the rest under `correlation`."""
    detail = "the request failed inside this worker: give its operator the correlation id, the log has the cause"
    return HttpProblem(
        problem_types.BROKEN, detail, more={"instance": f"urn:uuid:{correlation}", "correlation_id": correlation}
    )


def page_too_large(why: str, more: Mapping[str, Any] | None = None) -> HttpProblem:
    """Return what to say where rows are too many bytes for what was asked: it can be asked for in smaller parts."""
    return HttpProblem(
        problem_types.PAGE_TOO_LARGE, f"{why}: ask for fewer rows with page_size, and follow `next`", more=more
    )


def unavailable(type: ProblemType, detail: str, seconds: int = 1, more: Mapping[str, Any] | None = None) -> HttpProblem:
    """Return 503 with the number of seconds after which asking again makes sense."""
    return HttpProblem(type, detail, {"Retry-After": str(seconds)}, more)
