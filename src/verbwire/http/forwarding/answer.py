"""What another worker answers, and which of it is an answer to the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.problem_types import ProblemType
from verbwire.wire.freshness import HEADER as FRESHNESS
from verbwire.wire.positions import HEADER as POSITION

_PASSED_BACK = ("content-type", "cache-control", "retry-after", "vary", POSITION.lower(), FRESHNESS.lower())
_ANSWERS = frozenset(
    each.code
    for each in (
        problem_types.NO_SUCH_ROW,
        problem_types.NOT_FOUND,
        problem_types.OUTCOME_GONE,
        problem_types.BAD_POSITION,
    )
)


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """The response of another worker, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the problem that it is; empty where it is none."""
        try:
            return msgspec.json.decode(self.body, type=_Code).code
        except msgspec.DecodeError:
            return ""

    @property
    def is_of_another_version(self) -> bool:
        """Whether that worker refuses what this one has found good: it does not know the query or index yet."""
        return 400 <= self.status < 500 and self.code not in _ANSWERS

    @property
    def is_of_position(self) -> bool:
        """Whether rows are older there than the client has seen, or than they can ever be."""
        return self.status == 503 or (self.status == 400 and self.code == problem_types.BAD_POSITION.code)

    def response(self) -> Response:
        """Return it as the answer to the client."""
        headers = {name: self.headers[name] for name in _PASSED_BACK if name in self.headers}
        return Response(self.body, self.status, headers)


class PeerUnavailable(Exception):  # noqa: N818 (a signal, not an error of ours)
    """Another worker gave no answer that could be passed on."""


class ForwardedProblem(HttpProblem):
    """A problem that another worker has with the request, passed on byte by byte."""

    def __init__(self, answer: PeerAnswer) -> None:
        retry = {name: answer.headers[name] for name in ("retry-after",) if name in answer.headers}
        super().__init__(ProblemType(answer.code, answer.status, "", ""), "", retry)
        self._body = answer.body

    def body(self) -> bytes:
        """The JSON document, as the other worker has written it."""
        return self._body


class _Code(msgspec.Struct):
    code: str = ""
