"""What of two sets of rows differs, each of them in the order of its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

PAGE = 10_000
KeyedRow: TypeAlias = tuple[bytes, bytes]


class ChangedRow(NamedTuple):
    """A key under which the two have other bytes; None where there is no row."""

    key: bytes
    before: bytes | None
    after: bytes | None


def differences(old: Iterable[KeyedRow], new: Iterable[KeyedRow]) -> Iterator[ChangedRow]:
    """Yield what differs, in order; both are sorted by their keys, of which each stands there once."""
    befores, afters = iter(old), iter(new)
    before, after = next(befores, None), next(afters, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before[0] < after[0]):
            assert before is not None  # noqa: S101 (one of them is there)
            yield ChangedRow(before[0], before[1], None)
            before = next(befores, None)
        elif before is None or after[0] < before[0]:
            yield ChangedRow(after[0], None, after[1])
            after = next(afters, None)
        else:
            if before[1] != after[1]:
                yield ChangedRow(before[0], before[1], after[1])
            before, after = next(befores, None), next(afters, None)


def paged(page: Callable[[bytes, int], Sequence[KeyedRow]]) -> Iterator[KeyedRow]:
    """Yield all rows by pages of those behind a key: what was yielded may be changed meanwhile, nothing else."""
    after = b""
    while rows := page(after, PAGE):
        yield from rows
        after = rows[-1][0]


def pieces(changed: Iterable[ChangedRow], size: int) -> Iterator[tuple[list[ChangedRow], bool]]:
    """Yield them, so many at once, and whether these are the last; once with none where there is none."""
    rest = iter(changed)
    piece = list(islice(rest, size))
    while following := list(islice(rest, size)):
        yield piece, False
        piece = following
    yield piece, True
