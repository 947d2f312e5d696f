"""What tests are told of a parked key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ParkedInMemory:
    """A key that cannot go on: how many of its records wait, and why the first cannot be handled."""

    records: int
    reason: str
