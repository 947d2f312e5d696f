"""Reading one's own writes: a question waits until the table has applied what its asker has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from starlette.requests import Request

from verbwire.errors import UndecodableError
from verbwire.http import limits
from verbwire.http.problem import Problem, unavailable
from verbwire.http.requests import header
from verbwire.http.served import ServedTable
from verbwire.wire.positions import HEADER, Positions, decode_positions

_EVERY_SECONDS = 0.005  # between two looks: the engine commits every few milliseconds


def wanted_positions(request: Request) -> Positions:
    """Return how far the request wants its table to be; 400 for a header that says nothing legible."""
    try:
        return decode_positions(header(request, HEADER) or "")
    except UndecodableError as error:
        raise Problem(400, "bad_position", str(error)) from None


async def until_applied(table: ServedTable, partitions: Iterable[int], wanted: Positions) -> None:
    """Wait until those of these partitions that are here have applied what is wanted of the topics they read.

    503 ``behind`` when they have not within a few seconds: never an answer that is older than asked for. What becomes
    ready after this may be behind all the same, so whoever reads looks once more (:func:`require_applied`).
    """
    if not wanted:
        return
    states = [table.view.states[partition] for partition in partitions]
    deadline = asyncio.get_running_loop().time() + limits.FRESH_SECONDS
    while late := [each.partition for each in states if each.ready and _lacks(each.partition, each.inputs, wanted)]:
        if asyncio.get_running_loop().time() > deadline:
            raise behind(table, late[0])
        await asyncio.sleep(_EVERY_SECONDS)


def require_applied(table: ServedTable, inputs: Mapping[int, Mapping[str, int]], wanted: Positions) -> None:
    """Raise 503 ``behind`` where rows are read, or were, that are not as far as wanted; `inputs` by partition."""
    for partition, mine in inputs.items():
        if _lacks(partition, mine, wanted):
            raise behind(table, partition)


def behind(table: ServedTable, partition: int) -> Problem:
    """Return 503: not as far yet as its asker has seen."""
    detail = f"partition {partition} of table {table.name} has not applied yet what you have seen: ask again"
    return unavailable("behind", detail)


def _lacks(partition: int, inputs: Mapping[str, int], wanted: Positions) -> bool:
    return any(offset < wanted.get((topic, partition), 0) for topic, offset in inputs.items())
