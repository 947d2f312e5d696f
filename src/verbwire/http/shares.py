"""How many may be served at once, and how many of them may be one principal's, so that nobody starves the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from verbwire.http.problem import Problem


class Shares:
    """Counts what is in flight, in all and for each principal. Used on HTTP's loop only."""

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._busy = 0
        self._by_actor: Counter[str] = Counter()

    @contextmanager
    def taken(self, actor: str) -> Iterator[None]:
        """Hold one place for as long as the block takes; 429 when there is none left."""
        if self._by_actor[actor] >= self._each:
            raise _too_many(f"you have {self._each} commands waiting here")
        if self._busy >= self._total:
            raise _too_many("too many commands are waiting here")
        self._busy += 1
        self._by_actor[actor] += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._by_actor[actor] -= 1
            if not self._by_actor[actor]:
                del self._by_actor[actor]


def _too_many(detail: str) -> Problem:
    return Problem(429, "too_many", f"{detail}: wait for answers, then ask again", {"Retry-After": "1"})
