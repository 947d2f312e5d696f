"""Which workers live, for whoever has just begun to listen to their directory.

The broker's clock decides, and the first word of a worker that is heard tells it: workers speak every few seconds.
Where none speaks this machine's clock has to do, and all of them are silent.
"""

from __future__ import annotations

import time

from verbwire.discovery.announcer import BEAT_SECONDS
from verbwire.discovery.directory import DEAD_SECONDS, Directory, UntrustedWorker, WorkerSighting

_LISTENED_SECONDS = BEAT_SECONDS + 1.0
_POLL_SECONDS = 0.05


def heard_now(directory: Directory) -> float:
    """Return the broker's time, in seconds since the epoch; where no worker has spoken yet, wait for one, bounded.

    This machine's where none speaks, or none stands in the directory.
    """
    until = time.monotonic() + _LISTENED_SECONDS
    while directory.seen() and time.monotonic() < until:
        broker_ms = directory.broker_now_ms()
        if broker_ms is not None:
            return broker_ms / 1000
        time.sleep(_POLL_SECONDS)
    return time.time()


def living_workers(directory: Directory, now: float) -> list[WorkerSighting]:
    """Return the workers that were heard of lately and are not leaving, by name."""
    return [each for each in directory.seen() if not each.worker.leaving and ago(each, now) <= DEAD_SECONDS]


def ago(heard: WorkerSighting | UntrustedWorker, now: float) -> float:
    """Return how long ago a worker was heard, in seconds."""
    return max(0.0, round(now - heard.at_ms / 1000, 1))


def state_of(seen: WorkerSighting, now: float) -> str:
    """Return what a worker that is believed is doing: ``there``, ``leaving``, or ``silent``."""
    if ago(seen, now) > DEAD_SECONDS:
        return "silent"
    return "leaving" if seen.worker.leaving else "there"
