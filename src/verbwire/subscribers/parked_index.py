"""Keeps in memory which keys of a partition are parked, and where in the log their records lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class ParkedAt(NamedTuple):
    """Where in the log of parked records one lies, and since when it is parked, in milliseconds."""

    offset: int
    since: int


class ParkedIndex:
    """Which keys of one partition are parked, each with the numbers of its records: their offsets in their own topic.

    Only one thread at a time changes it, another one may look: what concerns one key is done one after another.
    """

    def __init__(self) -> None:
        self.records = 0
        self._keys: dict[bytes, dict[int, ParkedAt]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._keys))

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def put(self, key: bytes, number: int, at: ParkedAt) -> None:
        """Note where a record lies, or lies now."""
        its = self._keys.setdefault(key, {})
        self.records += number not in its
        in_order = number in its or number > next(reversed(its), -1)
        its[number] = at
        if not in_order:
            self._keys[key] = dict(sorted(its.items()))

    def remove(self, key: bytes, number: int) -> None:
        """Note that a record is parked no more."""
        its = self._keys.get(key, {})
        self.records -= its.pop(number, None) is not None
        if not its:
            self._keys.pop(key, None)

    def of(self, key: bytes) -> dict[int, ParkedAt]:
        """Return the records of a key in their order; none where it is not parked."""
        return dict(self._keys.get(key, {}))

    def has(self, key: bytes, number: int) -> bool:
        """Whether a record is parked."""
        return number in self._keys.get(key, {})

    def holds(self, key: bytes, number: int) -> bool:
        """Whether a record would overtake a parked one of its key; one that lies before all of them does not."""
        its = self._keys.get(key)
        return its is not None and number >= next(iter(its))

    def oldest(self) -> int | None:
        """Return since when the key has been parked that waits longest. From any thread."""
        firsts = (next(iter(its.values()), None) for its in list(self._keys.values()))
        return min((first.since for first in firsts if first is not None), default=None)
