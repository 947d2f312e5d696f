"""Describes how far a group is with one partition of an input, as its own worker knows it."""

from __future__ import annotations

from typing import NamedTuple


class InputProgress(NamedTuple):
    """How far a group is with a partition of an input."""

    topic: str
    partition: int
    position: int | None  # everything below is handled; None: not known yet
    timestamp: int | None  # milliseconds, of the oldest record that is at work, or was last; None: of none yet
