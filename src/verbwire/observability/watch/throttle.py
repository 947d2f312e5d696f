"""Throttles log lines to one a minute of each kind, and counts the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

SECONDS = 60.0
K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Told:
    since: float
    held_back: int = 0


class Throttle(Generic[K]):
    """Admits one occurrence of each kind per period. `clock` is monotonic, in seconds. From any thread."""

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._told: dict[K, _Told] = {}
        self._lock = threading.Lock()

    def admit(self, kind: K) -> int | None:
        """Return how many of this kind were held back since one was admitted; None where this one is held back, too."""
        now = self._clock()
        with self._lock:
            told = self._told.get(kind)
            if told is not None and now - told.since < self._seconds:
                told.held_back += 1
                return None
            self._told[kind] = _Told(now)
            return 0 if told is None else told.held_back

    def overdue(self) -> dict[K, int]:
        """Return how many were held back of those kinds whose time is over, and forget these kinds."""
        now = self._clock()
        with self._lock:
            over = {kind: told for kind, told in self._told.items() if now - told.since >= self._seconds}
            for kind in over:
                del self._told[kind]
        return {kind: told.held_back for kind, told in over.items() if told.held_back}
