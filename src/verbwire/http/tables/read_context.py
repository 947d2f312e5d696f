"""What one request asks of any table it reads: whose it is, how new the rows must be, and whether they must be all."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec
from msgspec.structs import replace
from starlette.requests import Request

from verbwire.errors import UndecodableError
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import header
from verbwire.http.forwarding.request import ForwardableRequest
from verbwire.http.tables.position_bound import PositionBound
from verbwire.principal import Principal
from verbwire.wire.freshness import COMPLETE, STALE
from verbwire.wire.freshness import HEADER as FRESHNESS
from verbwire.wire.positions import HEADER as POSITION
from verbwire.wire.positions import decode_positions


class ReadContext(msgspec.Struct, frozen=True):
    """Made of the request by its endpoint; nothing below it knows Starlette's request."""

    request: ForwardableRequest  # for the partition's owner, where that is another worker
    bound: PositionBound  # the rows must be as new, or 503
    complete: bool  # a table that is catching up does not do: 503
    stale: bool  # a row does whose later records are parked

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.request.principal

    def of_generation(self, number: int | None) -> ReadContext:
        """Return the same, but that other workers are asked for this generation of the table; None: any."""
        return self if number is None else replace(self, request=replace(self.request, generation=number))

    @classmethod
    def of(cls, request: Request, fresh_seconds: float, topics: Collection[str] | None = None) -> ReadContext:
        """Return the context of a request that waits so long for its bound.

        400 for headers that are illegible, or name none of these topics.
        """
        deadline = asyncio.get_running_loop().time() + fresh_seconds
        return cls(
            ForwardableRequest.of(request),
            PositionBound(_positions(header(request, POSITION), topics), deadline),
            *_freshness(header(request, FRESHNESS)),
        )


def _positions(text: str | None, topics: Collection[str] | None) -> dict[tuple[str, int], int]:
    if not text:
        return {}
    try:
        positions = decode_positions(text)
    except UndecodableError as error:
        raise HttpProblem(problem_types.BAD_POSITION, str(error)) from None
    if topics is not None and (unknown := sorted({topic for topic, _ in positions if topic not in topics})):
        detail = f"{POSITION}: no contract of this worker has the topic {unknown[0]}; it may be of a newer version"
        raise HttpProblem(problem_types.UNKNOWN_TOPIC, detail)
    return positions


def _freshness(wanted: str | None) -> tuple[bool, bool]:
    """Return whether the answer has to be complete, and whether it may be stale."""
    if wanted in (None, COMPLETE, STALE):
        return wanted == COMPLETE, wanted == STALE
    detail = f"{FRESHNESS} is {wanted!r}: write {COMPLETE} or {STALE}, or leave it out"
    raise HttpProblem(problem_types.BAD_FRESHNESS, detail)
