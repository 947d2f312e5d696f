"""Named places where a fault test may kill this process, or hold it; they cost nothing unless one is set.

``VERBWIRE_CRASH_POINT=after-flush:3`` kills with SIGKILL the third time the point is reached;
``VERBWIRE_PAUSE_POINT=after-flush:3:6.5`` holds the thread there for 6.5 seconds instead.
"""

from __future__ import annotations

import os
import signal
import threading
import time

POINTS = (
    "after-produce",  # records of the transaction are with librdkafka
    "after-flush",  # the broker has them, uncommitted
    "after-offsets",  # the input offsets are part of the transaction
    "during-commit",  # EndTxn is under way: the kill comes from another thread
    "after-commit",  # committed, the local copy not written
)
REBUILD_POINTS = (
    "rebuild-begun",  # the number is given, the topics are not there
    "rebuild-before-prepare",
    "rebuild-prepared",  # the workers follow both generations
    "rebuild-paused",
    "rebuild-before-serve",  # everybody has paused
    "rebuild-served",
    "rebuild-discarded",  # the word is written, the topics are there
    "rebuild-forgotten",  # likewise
)
"""Steps of `verbwire rebuild`, in its own process."""
EXCHANGE_POINTS = ("exchanging",)
"""In a worker, each time that states which are exchanged are with their transaction."""
PARKING_POINTS = (
    "after-park",  # a record is in the log of parked ones, its offset is not committed
    "after-again",  # it is handled, and still parked
    "after-unpark",  # it is parked no more, the request that asked for it is still to be done
)
"""Steps of subscribers that park."""
_reached = dict.fromkeys((*POINTS, *REBUILD_POINTS, *EXCHANGE_POINTS, *PARKING_POINTS), 0)


def _asked(variable: str) -> tuple[str, int, float]:
    point, _, rest = os.environ.get(variable, "").partition(":")
    times, _, seconds = rest.partition(":")
    return point, int(times or 1), float(seconds or 0)


_CRASH = _asked("VERBWIRE_CRASH_POINT")
_PAUSE = _asked("VERBWIRE_PAUSE_POINT")


def hit(point: str) -> None:
    """Say that the engine is at `point`; dies or waits there when asked to."""
    if not (_CRASH[0] or _PAUSE[0]):
        return
    _reached[point] += 1
    if point == _CRASH[0] and _reached[point] == _CRASH[1]:
        if point == "during-commit":
            threading.Timer(_CRASH[2] or 0.0005, _die).start()
        else:
            _die()
    if point == _PAUSE[0] and _reached[point] == _PAUSE[1]:
        time.sleep(_PAUSE[2])


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
