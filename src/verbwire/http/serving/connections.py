"""The connections of one server: their timeouts, and which one is closed when a newcomer finds no room.

A connection that waits for its client holds a place, whatever the client has said so far. So each has a moment at
which it is closed, and where all places are taken the one that has waited longest goes first: of those who hold most,
that no client can keep the others out by holding on.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection, Iterable
from enum import Enum
from typing import Protocol

from verbwire.http.base.limits import ConnectionLimits
from verbwire.observability.watch.throttle import Throttle

_NAMED = 3  # addresses in one line of the log
_log = logging.getLogger("verbwire.http")


class Stage(Enum):
    """What a connection waits for."""

    HANDSHAKE = "for TLS"
    HEAD = "for a request's head"
    ANSWER = "for an answer"  # of ours, or for its client to read it
    IDLE = "for another request"
    LINGER = "for the end of what nobody reads"
    CLOSING = "for the rest of an answer to be read"
    GONE = "for nothing"


class HttpConnection(Protocol):
    """One connection, as all of them are looked after."""

    stage: Stage
    since: float  # when it came to its stage, by the loop's clock
    until: float  # when its time is over; never while its client waits for us

    @property
    def address(self) -> str:
        """The client's host."""
        ...

    def time_is_over(self) -> None:
        """End it, as far as its stage lets it."""
        ...

    def make_room(self) -> None:
        """Close it for the sake of another one."""
        ...


def end_overdue(connections: Iterable[HttpConnection], now: float) -> None:
    """End every one of them whose time is over."""
    for each in [each for each in connections if each.until <= now]:
        each.time_is_over()


class ConnectionTable:
    """The places for the connections of one server. Used on HTTP's loop only."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._throttle = Throttle[str]()

    def places_left(self, connections: Collection[HttpConnection], newcomer: HttpConnection) -> int:
        """Return how many places there are behind this newcomer, after one that only waited has made room for it.

        `connections` are all of them, the newcomer among them. Below zero there is no place for it, save for those
        that are kept for health.
        """
        if len(connections) <= self.limits.connections:
            return self.limits.connections - len(connections)
        held = [each for each in connections if each.stage is not Stage.GONE]
        left = self.limits.connections - len(held)
        if left >= 0:
            return left
        self._tell(held)
        holding = Counter(each.address for each in held)
        waiting = [each for each in held if each.until < math.inf]
        leaving = max(waiting, key=lambda each: (holding[each.address], _patience(each)), default=newcomer)
        if leaving is newcomer:
            return left
        leaving.make_room()
        return left + 1

    def _tell(self, held: list[HttpConnection]) -> None:
        if self._throttle.admit("full") is None:
            return
        most = Counter(each.address for each in held).most_common(_NAMED)
        stages = Counter(each.stage for each in held).most_common()
        _log.warning(
            "all %d connections are in use, by %s; stages: %s. The one that has waited longest is closed",
            self.limits.connections,
            ", ".join(f"{address} ({count})" for address, count in most),
            ", ".join(f"{count} {stage.value}" for stage, count in stages),
        )


def _patience(connection: HttpConnection) -> tuple[bool, float]:
    """Order them by whether an answer would be cut off, and by how long they have waited."""
    return connection.stage not in (Stage.ANSWER, Stage.CLOSING), -connection.since
