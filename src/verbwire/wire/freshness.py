"""``Verbwire-Freshness``: whether a table has read all that there was when it was started, and that it has to have.

An answer says ``complete``, or ``behind=12``: so many records of what its table's inputs held then are not in it yet.
A query that says ``complete`` accepts no other answer. One that says ``stale`` accepts a row whose later records are
parked, and the answer says so: it is the last one before them.
"""

from __future__ import annotations

HEADER = "Verbwire-Freshness"
COMPLETE = "complete"
STALE = "stale"
_BEHIND = "behind="


def encode_freshness(behind: int | None) -> str:
    """Return the text of an answer's header; None: it is behind nothing."""
    return COMPLETE if behind is None else f"{_BEHIND}{behind}"


def decode_freshness(text: str) -> int | None:
    """Return how many records an answer is behind, at least; None where it is complete, or unknown."""
    number = text.removeprefix(_BEHIND)
    return int(number) if text.startswith(_BEHIND) and number.isascii() and number.isdigit() else None
