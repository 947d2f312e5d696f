"""Reading one's own writes: a question waits until the table has applied what its asker has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from starlette.requests import Request

from verbwire.errors import UnavailableError, UndecodableError
from verbwire.http import limits
from verbwire.http.problem import Problem, unavailable
from verbwire.http.reads import Readers
from verbwire.http.requests import header
from verbwire.http.served import ServedTable
from verbwire.wire.positions import HEADER, Positions, decode_positions

_EVERY_SECONDS = 0.005  # between two looks: the engine commits every few milliseconds
_ASK_SECONDS = 0.02  # between two questions to the broker


@dataclass(frozen=True)
class Wanted:
    """How far a request wants its table to be, and until when (by the loop's clock) it waits for that."""

    positions: Positions
    deadline: float

    def lacking(self, partition: int, inputs: Mapping[str, int]) -> bool:
        """Whether a partition whose inputs are applied so far is not as far."""
        return any(offset < self.positions.get((topic, partition), 0) for topic, offset in inputs.items())


def wanted_of(request: Request) -> Wanted:
    """Return what the request wants; 400 for a header that says nothing legible."""
    try:
        positions = decode_positions(header(request, HEADER) or "")
    except UndecodableError as error:
        raise Problem(400, "bad_position", str(error)) from None
    return Wanted(positions, asyncio.get_running_loop().time() + limits.FRESH_SECONDS)


async def until_applied(table: ServedTable, partitions: Iterable[int], wanted: Wanted, readers: Readers) -> Wanted:
    """Wait until those of these partitions that are here have applied what is wanted of the topics they read.

    503 ``behind`` when they have not in time: never an answer that is older than asked for. What becomes ready after
    this may be behind all the same, so whoever reads looks once more, for what is returned (:func:`require_applied`).
    """
    if not wanted.positions:
        return wanted
    wanted = await _with_handed_over(table, wanted, readers)
    states = [table.view.states[partition] for partition in partitions]
    while late := [each.partition for each in states if each.ready and wanted.lacking(each.partition, each.inputs)]:
        await _pause(table, wanted, _EVERY_SECONDS, f"partition {late[0]}")
    return wanted


def require_applied(table: ServedTable, inputs: Mapping[int, Mapping[str, int]], wanted: Wanted) -> None:
    """Raise 503 ``behind`` where rows are read, or were, that are not as far as wanted; `inputs` by partition."""
    for partition, mine in inputs.items():
        if wanted.lacking(partition, mine):
            raise _behind(table, f"partition {partition}")


async def _with_handed_over(table: ServedTable, wanted: Wanted, readers: Readers) -> Wanted:
    """Want of the topic by which a group hands records to itself what the wanted places of its sources come to."""
    own = table.handed_over
    if own is None:
        return wanted
    while True:
        applied = _applied(table)
        try:
            ends = await readers.run(lambda: own.ends(wanted.positions, applied))  # noqa: B023 (awaited at once)
        except UnavailableError:
            ends = None
        if ends is not None:
            return replace(wanted, positions={**wanted.positions, **ends})
        await _pause(table, wanted, _ASK_SECONDS, "some partition")


def _applied(table: ServedTable) -> Positions:
    ready = [state for state in table.view.states.values() if state.ready]
    return {(topic, state.partition): offset for state in ready for topic, offset in state.inputs.items()}


async def _pause(table: ServedTable, wanted: Wanted, seconds: float, late: str) -> None:
    if asyncio.get_running_loop().time() > wanted.deadline:
        raise _behind(table, late)
    await asyncio.sleep(seconds)


def _behind(table: ServedTable, late: str) -> Problem:
    return unavailable("behind", f"{late} of table {table.name} has not applied yet what you have seen: ask again")
