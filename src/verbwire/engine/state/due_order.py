"""When a row falls due, as a column of its copy: sixteen bytes that are in order of time, then of a place in line."""

from __future__ import annotations

import struct

_ORDER = struct.Struct(">QQ")
_LAST = 2**64 - 1


def due_order(at: int, place: int = 0) -> bytes:
    """Return the column of a row that falls due `at` milliseconds since the epoch; `place` orders those of one time.

    Where places differ no two rows of a partition have the same: each piece of what is due is read by the index alone.
    """
    return _ORDER.pack(max(at, 0), place)


def due_at(order: bytes) -> int:
    """Return when that is."""
    at: int = _ORDER.unpack(order)[0]
    return at


def after(at: int) -> bytes:
    """Return what is behind all rows that fall due until then."""
    return _ORDER.pack(max(at, 0), _LAST)
