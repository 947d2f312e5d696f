"""Estimates how many bytes of memory a decoded row takes, without looking at each.

The length of a row's record is known whenever it is read or written. How many bytes of Python's objects come of one
byte of it depends on its schema, and is learned by measuring a row now and then.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import Any

import msgspec

_LONGEST = 32 * 1024  # bytes of a record, beyond which measuring a row takes too long
_FADING = 0.95  # what was learned before counts for less with each measurement


class RowExpansion:
    """Bytes of memory to one byte of record, in one table."""

    def __init__(self) -> None:
        self._memory, self._records = 6.0, 1.0

    def learn(self, row: object, record: int) -> None:
        """Measure a row whose record has that many bytes; takes some 10 us."""
        if 0 < record <= _LONGEST:
            self._memory = self._memory * _FADING + size_of(row)
            self._records = self._records * _FADING + record

    def rate(self) -> float:
        """Return what was learned."""
        return self._memory / self._records


def size_of(value: object) -> int:
    """Return the bytes that a value takes, and what hangs on it."""
    total, todo, seen = 0, [value], set[int]()
    while todo:
        each: Any = todo.pop()
        if each is None or isinstance(each, bool | Enum) or id(each) in seen:
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        if isinstance(each, msgspec.Struct):
            todo += [getattr(each, name) for name in each.__struct_fields__]
        elif isinstance(each, dict):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            todo += each
    return total
