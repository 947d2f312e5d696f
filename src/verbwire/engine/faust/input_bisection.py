"""Finds the one input partition that cannot be read, so that the others are read on."""

from __future__ import annotations

from faust.types import TP

from verbwire.errors import UnavailableError

_DOUBTS = 2  # failures to read, in a row, until inputs are read one by one


class UnreadableInputError(UnavailableError):
    """Something of the inputs cannot be read, and that will not pass: no permission, a batch that is damaged."""


class InputBisection:
    """Finds the one input that cannot be read: after two failures each is read alone, until one fails."""

    def __init__(self) -> None:
        self._failures = 0
        self._passed: set[TP] = set()

    @property
    def searching(self) -> bool:
        """Whether each input is read alone."""
        return self._failures >= _DOUBTS

    def choose(self, readable: set[TP]) -> set[TP]:
        """Return what to read now of these."""
        if not self.searching or not readable:
            return readable
        left = readable - self._passed
        if not left:
            self._failures, self._passed = 0, set()
            return readable
        return {min(left)}

    def passed(self, read: set[TP]) -> None:
        """These could be read."""
        if self.searching:
            self._passed |= read

    def failed(self, read: set[TP]) -> TP | None:
        """Something of these could not; return which, where that is known."""
        self._failures += 1
        if len(read) > 1 or self._failures < _DOUBTS:
            return None
        self._failures, self._passed = 0, set()
        return next(iter(read))
