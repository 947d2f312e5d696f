"""Limits requests in flight, in total and per principal, so that none starves the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from verbwire.http.base import problem_types
from verbwire.http.base.limits import SHORT, RequestLimits
from verbwire.http.base.problem import HttpProblem, page_too_large


class ConcurrencyLimiter:
    """Counts what is in flight, in all and for each principal. Used on HTTP's loop only.

    A principal alone may have as much as `each`, but never more than is left: the fuller the worker, the smaller
    what one may have, so that others find some left (dynamic thresholds: Choudhury and Hahne, IEEE/ACM ToN 6(2), 1998).
    """

    def __init__(self, what: str, total: int, each: int) -> None:
        self._what = what
        self._total = total
        self.each = each
        self._busy = 0
        self._by_actor: dict[str, int] = {}

    @property
    def left(self) -> int:
        """How much there is for everybody."""
        return self._total - self._busy

    @property
    def idle(self) -> bool:
        """Whether nothing of it is in use."""
        return not self._busy

    def take(self, actor: str, amount: int = 1) -> None:
        """Take that much until it is given back; 429 where it is not there, or not this principal's."""
        held = self._by_actor.get(actor, 0)
        if held + amount > min(self.each, self._total - self._busy):
            raise self._refusal(held, amount)
        self._busy += amount
        self._by_actor[actor] = held + amount

    def give(self, actor: str, amount: int = 1) -> None:
        """Give back what was taken."""
        self._busy -= amount
        left = self._by_actor[actor] - amount
        if left:
            self._by_actor[actor] = left
        else:
            del self._by_actor[actor]

    @contextmanager
    def taken(self, actor: str) -> Iterator[None]:
        """Hold one for as long as the block takes."""
        self.take(actor)
        try:
            yield
        finally:
            self.give(actor)

    def _refusal(self, held: int, amount: int) -> HttpProblem:
        if held + amount > self.each:
            detail = f"each principal may have {self.each} {self._what} at a time"
        else:
            detail = f"too many {self._what} are in progress here, {held} of them yours"
        return HttpProblem(problem_types.TOO_MANY, f"{detail}: wait for answers, then ask again", {"Retry-After": "1"})


class ByteBudget:
    """The bytes that one request makes this worker hold: its body, what other workers send for it, its answer."""

    __slots__ = ("_actor", "_held", "_limiter", "_small")

    def __init__(self, limiter: ConcurrencyLimiter, actor: str, small: int = SHORT) -> None:
        self._limiter = limiter
        self._actor = actor
        self._held = 0
        self._small = small

    def take(self, size: int) -> None:
        """Count that many more, before they are there; 429 beyond the limit. What is small is not counted.

        400 where there never will be: one request alone would need more than a principal may have.
        """
        if size > self._small:
            if self._held + size > self._limiter.each:
                raise page_too_large(f"this takes more than {self._limiter.each} bytes here")
            self._limiter.take(self._actor, size)
            self._held += size

    def give(self) -> None:
        """Give all of it back."""
        if self._held:
            self._limiter.give(self._actor, self._held)


class ConcurrencyLimits:
    """The concurrency limits of one server, by kind of request: those that wait for commands keep none from reading."""

    def __init__(self, limits: RequestLimits) -> None:
        self._small = limits.small
        self._commands = ConcurrencyLimiter("commands", limits.commands, limits.commands_each)
        self._queries = ConcurrencyLimiter("queries", limits.queries, limits.queries_each)
        self._peers = ConcurrencyLimiter("queries forwarded by other workers", limits.forwarded, limits.forwarded_each)
        self._bytes = ConcurrencyLimiter("bytes", limits.memory, limits.memory_each)

    def of(self, path: str, forwarded: bool) -> ConcurrencyLimiter:
        """Return those that a request is counted among."""
        if forwarded:
            return self._peers
        return self._commands if path.startswith("/commands/") else self._queries

    def byte_budget(self, actor: str) -> ByteBudget:
        """Return what the bytes of a request are counted by."""
        return ByteBudget(self._bytes, actor, self._small)
