"""Partial lists, one per worker, and merging them.

Each worker gives rows in one order, each with its place in it: bytes that sort like it. So lists are merged by places
alone, whatever they are sorted by, and a place is also what a cursor stands for.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable

import msgspec

MEDIA_TYPE = "application/vnd.verbwire.found+msgpack"  # between workers; the version is the project's


class PartialList(msgspec.Struct, frozen=True, array_like=True):
    """Rows of some partitions, in order. What is not among `positions` and not `missing` was not asked for."""

    rows: list[tuple[bytes, bytes]]  # place, row as JSON
    more: bool  # whether there are more behind the last of them; none is left out before it
    positions: dict[int, dict[str, int]]  # partition -> input topic -> next offset to be applied: rows are as new
    missing: list[int]  # partitions that could not be answered for
    behind: dict[int, int]  # partitions that have not caught up since they were started -> by how many records
    parked: int = 0  # keys whose later records are parked, so that they are not in these rows


def complete(found: PartialList) -> bool:
    """Whether all that was asked for answered, and has read what its inputs held when it was started."""
    return not (found.missing or found.behind)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PartialList).decode


def merged(parts: Iterable[PartialList]) -> PartialList:
    """Return one list of all; no partition is in two of them.

    A part that has more ends somewhere, because it was long enough or large enough: behind that place it may have rows
    that are not known here, so there the list ends, too.
    """
    found = list(parts)
    rows, left_out = _known(found)
    positions: dict[int, dict[str, int]] = {}
    behind: dict[int, int] = {}
    for part in found:
        positions |= part.positions
        behind |= part.behind
    return PartialList(
        rows=rows,
        more=left_out or any(part.more for part in found),
        positions=dict(sorted(positions.items())),
        missing=sorted(partition for part in found for partition in part.missing),
        behind=dict(sorted(behind.items())),
        parked=sum(part.parked for part in found),
    )


def size_of(found: PartialList) -> int:
    """Return how many bytes its rows have."""
    return sum(len(row) for _, row in found.rows)


def _known(parts: list[PartialList]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Return the rows up to where all parts are known, and whether there are others behind."""
    rows = list(heapq.merge(*(part.rows for part in parts), key=_place))
    ends = [part.rows[-1][0] for part in parts if part.more]
    kept = bisect_right(rows, min(ends), key=_place) if ends else len(rows)
    return rows[:kept], kept < len(rows)


def absent(partitions: Iterable[int]) -> PartialList:
    """Return that these partitions could not be answered for."""
    return PartialList([], False, {}, sorted(partitions), {})


def written(found: PartialList) -> bytes:
    """Return it as one worker sends it to another."""
    return _encode(found)


def read(body: bytes) -> PartialList:
    """Return what another worker has sent; ValueError for what is no such thing."""
    try:
        found = _decode(body)
        if found.more and not found.rows:
            raise ValueError("it has more rows than none")
        return found
    except msgspec.DecodeError as error:  # msgspec's ValidationError is one
        raise ValueError(f"not what a worker answers: {error}") from error


def _place(row: tuple[bytes, bytes]) -> bytes:
    return row[0]
