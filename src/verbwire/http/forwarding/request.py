"""A request as one worker may ask another for it: only what decides the answer, and on whose behalf."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.types import Scope

from verbwire.http.access.peer_tokens import GENERATION, PARTITIONS
from verbwire.http.base import problem_types
from verbwire.http.base.concurrency import ByteBudget
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import byte_budget_of, principal_of
from verbwire.principal import Principal
from verbwire.wire.freshness import HEADER as FRESHNESS
from verbwire.wire.positions import HEADER as POSITION

_POSITION = POSITION.lower().encode()
_PASSED_ON = {name.lower().encode() for name in ("Accept", "Prefer", "traceparent", POSITION, FRESHNESS)}


class ForwardableRequest(msgspec.Struct, frozen=True):
    """What another worker needs of a request, and the byte budget that its answer is counted by."""

    scope: Scope
    principal: Principal
    byte_budget: ByteBudget
    forwarded: bool  # another worker asks: it wants what is here, no third is asked
    partitions: list[int] | None = None  # those that another worker asks for
    generation: int | None = None  # of the table: likewise, or that is asked for of another worker

    @classmethod
    def of(cls, request: Request) -> ForwardableRequest:
        """Return what may be forwarded of a request; 400 where another worker asks for illegible partitions."""
        forwarded = request.scope.get("forwarded") is True
        partitions = _partitions(request.headers.get(PARTITIONS)) if forwarded else None
        generation = _generation(request.headers.get(GENERATION)) if forwarded else None
        return cls(request.scope, principal_of(request), byte_budget_of(request), forwarded, partitions, generation)

    @property
    def method(self) -> str:
        """The method."""
        found: str = self.scope["method"]
        return found

    @property
    def path(self) -> str:
        """The path, percent-encoded as it was sent."""
        found: str = self.scope["path"]
        return found

    @property
    def target(self) -> str:
        """Path and query, as they were sent."""
        path: bytes = self.scope["raw_path"]
        query: bytes = self.scope["query_string"]
        return (path + b"?" + query if query else path).decode("ascii")

    @property
    def headers(self) -> dict[str, str]:
        """Those that decide the answer, in lower case; of a repeated one the first."""
        fields = reversed(self.scope["headers"])
        found = {name.decode(): value.decode("latin-1") for name, value in fields if name in _PASSED_ON}
        return found if self.generation is None else {**found, GENERATION.lower(): str(self.generation)}

    @property
    def has_position(self) -> bool:
        """Whether the answer has to show what the client has seen."""
        return any(name == _POSITION for name, _ in self.scope["headers"])


def _generation(text: str | None) -> int | None:
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HttpProblem(problem_types.BAD_PARTITIONS, f"{GENERATION} is a number")
    return None if text is None else int(text)


def _partitions(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return sorted({int(each) for each in text.split(",")})
    except ValueError:
        raise HttpProblem(problem_types.BAD_PARTITIONS, f"{PARTITIONS} is a comma-separated list of numbers") from None
