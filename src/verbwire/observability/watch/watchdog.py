"""Logs the handlers that run for long, while they do: one thread per process, which looks once a second.

Nothing is measured where handlers are called. A handler that is at the same record at every look has been running for
as long, give or take a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from verbwire.kafka.record import RecordPlace, place_of
from verbwire.observability.watch.handlers import HandlerWatch, NamedHandler, Spot

log = logging.getLogger(__name__)

SLOW_SECONDS = 10.0
AGAIN_SECONDS = 60.0
_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class _Seen:
    at: RecordPlace | str
    handler: NamedHandler | None
    since: float
    told: float | None = None  # when, last


@dataclass
class _Group:
    watch: HandlerWatch
    longest: Callable[[float], None]
    seen: dict[Spot, _Seen] = field(default_factory=dict)


class Watchdog:
    """Watches handlers; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._groups: list[_Group] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog of handlers", daemon=True)

    def add(self, watch: HandlerWatch, longest: Callable[[float], None]) -> None:
        """Watch a group's handlers; `longest` gets the seconds of the longest-running one."""
        self._groups.append(_Group(watch, longest))

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self) -> None:
        """Look once at all of them."""
        now = self._clock()
        for group in list(self._groups):
            group.longest(max((now - seen.since for seen in self._look_at(group, now)), default=0.0))
            group.watch.tell_rest()

    def _look_at(self, group: _Group, now: float) -> Iterator[_Seen]:
        spots = group.watch.spots.copy()
        for spot in [*spots, *(group.seen.keys() - spots)]:
            at, seen = spot.at if spot in spots else None, group.seen.get(spot)
            if seen is not None and seen.at is at:
                self._tell_if_slow(group.watch, seen, now)
                yield seen
                continue
            if seen is not None and seen.told is not None:
                _tell(group.watch, seen, f"has ended after about {now - seen.since:.0f} s")
            group.seen.pop(spot, None)
            if at is not None:
                group.seen[spot] = _Seen(at, spot.handler, now)

    def _tell_if_slow(self, watch: HandlerWatch, seen: _Seen, now: float) -> None:
        if now - seen.since >= SLOW_SECONDS and (seen.told is None or now - seen.told >= AGAIN_SECONDS):
            seen.told = now
            _tell(watch, seen, f"has been running for {now - seen.since:.0f} s")

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("watching handlers failed, it is retried")


def _tell(watch: HandlerWatch, seen: _Seen, what: str) -> None:
    level = logging.INFO if watch.patient else logging.WARNING
    handler = seen.handler.where if seen.handler else "a handler"
    log.log(level, "%s: %s at %s %s", watch.group, handler, place_of(seen.at), what)
