"""How aiokafka connects to a node that is away: after pauses that grow, in the place of as fast as it can.

Its clients ask for a connection from four loops at once, each every 50 ms; in an outage ten groups of a worker made a
thousand attempts a second of it, and logged each four times.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0


@dataclass
class _Failure:
    until: float  # on the monotonic clock: no attempt before
    pause: float
    tried: bool = False  # whether a caller makes the next one


class Reconnecting:
    """Stands in the place of what connects, which returns None where it cannot. For one loop."""

    def __init__(self, connect: Callable[..., Awaitable[Any]]) -> None:
        self._connect = connect
        self._failures: dict[Hashable, _Failure] = {}

    async def __call__(self, node: Hashable, **options: Any) -> Any:
        """Connect to a node, or return None: at once where it was there, else when its pause is over."""
        place = node, options.get("group")  # of its connections one may hold though another cannot be made
        last = self._failures.get(place)
        if last is not None:
            await asyncio.sleep(max(0.0, last.until - time.monotonic()))
            if last.tried:  # who has waited as long makes the attempt, for all
                await asyncio.sleep(FIRST_PAUSE)
                return None
            last.tried = True
        try:
            connection = await self._connect(node, **options)
        except BaseException:  # cancelled, as in a rebalance: the next caller that waits tries in its place
            if last is not None:
                last.tried = False
            raise
        if connection is not None:
            self._failures.pop(place, None)
        elif self._failures.get(place) is last:
            pause = FIRST_PAUSE if last is None else min(2 * last.pause, LONGEST_PAUSE)
            until = time.monotonic() + pause * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)
            self._failures[place] = _Failure(until, pause)
        return connection
