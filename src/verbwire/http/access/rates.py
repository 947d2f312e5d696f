"""Rate limits: a token bucket per principal for commands, and one for all other requests.

Concurrency limits (http/base/concurrency.py) bound the requests in flight, rates those that are answered quickly:
refusals, say, of which one client could cause thousands a second.
"""

from __future__ import annotations

import math
import time

from verbwire.errors import ConfigurationError
from verbwire.http.base import problem_types
from verbwire.http.base.limits import BURST_SECONDS
from verbwire.http.base.problem import HttpProblem

_SWEPT = 1024  # principals; with more of them those whose buckets are full are forgotten


class Rate:
    """So many a second for each principal, and those of some seconds at once. Used on HTTP's loop only.

    A bucket is kept as the time at which it will be full again (the generic cell rate algorithm of ITU-T I.371).
    """

    def __init__(self, what: str, a_second: int, burst_seconds: float = BURST_SECONDS) -> None:
        self.a_second = a_second
        self.what = what
        self._burst_seconds = burst_seconds
        self._full: dict[str, float] = {}
        self._swept_at = _SWEPT

    def take(self, actor: str) -> None:
        """Take a token; 429 with the time until there is one."""
        if not self.a_second:
            return
        now = time.monotonic()
        full = max(self._full.get(actor, now), now) + 1 / self.a_second
        if (wait := full - now - self._burst_seconds) > 0:
            detail = f"each principal may send {self.a_second} {self.what} a second: send them more slowly"
            raise HttpProblem(problem_types.TOO_MANY, detail, {"Retry-After": str(math.ceil(wait))})
        self._full[actor] = full
        if len(self._full) > self._swept_at:
            self._full = {each: until for each, until in self._full.items() if until > now}
            self._swept_at = max(_SWEPT, 2 * len(self._full))


class Rates:
    """The rates of one worker; 0 means none. ConfigurationError for less."""

    def __init__(self, commands: int = 0, queries: int = 0, burst_seconds: float = BURST_SECONDS) -> None:
        for name, value in (("http_command_rate", commands), ("http_question_rate", queries)):
            if value < 0:
                raise ConfigurationError(f"{name} (VERBWIRE_{name.upper()}) is {value}: use 1 or more, or 0 for none")
        self.commands = Rate("commands", commands, burst_seconds)
        self._burst_seconds = burst_seconds
        self.queries = Rate("queries", queries, burst_seconds)

    def of(self, path: str) -> Rate:
        """Return the one that a request is counted by."""
        return self.commands if path.startswith("/commands/") else self.queries

    def description(self) -> str:
        """Return the limits as a sentence for clients; empty where there are none."""
        given = [f"{each.a_second} {each.what}" for each in (self.commands, self.queries) if each.a_second]
        if not given:
            return ""
        burst = f"those of {self._burst_seconds:.0f} seconds at once"
        return f"One principal may send a worker {' and '.join(given)} a second, {burst}; 429 says when to go on."
