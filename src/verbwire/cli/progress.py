"""A line on a terminal that tells how far something is that takes longer than a second; gone when it is done.

It goes to stderr, and only where that is a terminal: pipes, logs and CI see nothing of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Self, TextIO, TypeVar

T = TypeVar("T")

_AFTER_SECONDS = 1.0
_EVERY_SECONDS = 0.2
_CLEAR = "\r\x1b[K"


class ProgressLine:
    """Shows what `tell` returns, once it has taken a second; a context manager, which clears it."""

    def __init__(
        self, tell: Callable[[], str], stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._stream = stream or sys.stderr
        self._clock = clock
        self._next = clock() + _AFTER_SECONDS
        self._is_shown = False
        self._is_terminal = self._stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line away, before anything else is printed."""
        if self._is_shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._is_shown = False

    def step(self) -> None:
        """Show it where it is due."""
        if not self._is_terminal or (now := self._clock()) < self._next:
            return
        self._next = now + _EVERY_SECONDS
        self._stream.write(f"{_CLEAR}{self._tell()}")
        self._stream.flush()
        self._is_shown = True

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Yield these, and show the line meanwhile."""
        for each in items:
            self.step()
            yield each


class CountedProgress(ProgressLine):
    """Tells how many records were read."""

    def __init__(self) -> None:
        self.records = 0
        super().__init__(lambda: f"{self.records:,} records read")

    def count(self) -> None:
        """Note that one more was read."""
        self.records += 1
        self.step()
