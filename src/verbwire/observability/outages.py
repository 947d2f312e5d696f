"""Reduces an outage of Kafka in a worker's log to a line when it begins, one a minute, and one when it ends.

Dozens of clients notice it, each again and again, in words of its own. A line that means no more than that Kafka is not
reached reports the outage, and is not logged itself; nor is, as long as it lasts, what only follows from it. All other
lines pass; those that a library repeats in the same words, once a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

MINUTE = 60.0
AFTERMATH_SECONDS = 10.0
QUIET_SECONDS = 2.0  # without a complaint: clients that are cut off complain every second

# By logger, the formats of lines that mean no more than that a broker is not reached.
NOT_REACHED: dict[str, tuple[str, ...]] = {
    "aiokafka": (
        "Unable connect to node with id %s: %s",
        "Unable to update metadata from %s",
        "Unable to request metadata from node with id %s: %r",
    ),
    "aiokafka.consumer.fetcher": (
        "Failed fetch messages from %s: %s",
        "Failed fetch offsets from %s: %s",
    ),
    "aiokafka.consumer.group_coordinator": (
        "Group Coordinator Request failed: %s",
        "Heartbeat send request failed: %s. Will retry.",
        "Heartbeat session expired - marking coordinator dead",
        "Marking the coordinator dead (node %s)for group %s.",
        "Error sending %s to node %s [%s] -- marking coordinator dead",
        "Heartbeat failed for group %s: coordinator (node %s) is either not started or not valid",
        "LeaveGroup request failed: %s",
    ),
    "verbwire.subscribers.group": ("%s: Kafka is not reached: %s",),
}
# And those that an outage explains, while it lasts and for as long after it as a transaction lives.
EXPLAINED: dict[str, tuple[str, ...]] = {
    "aiokafka.consumer.group_coordinator": (
        "Heartbeat failed: local member_id was not recognized; resetting and re-joining group",
        "Heartbeat failed for group %s because it is rebalancing",
        "Heartbeat failed for group %s: generation id is not  current.",
    ),
    "verbwire.engine.faust.consumer": ("%s: %s",),
    "verbwire.engine.faust.recovery": ("%s: restore failed, retrying: %s",),
    "verbwire.engine.transactions.committer": ("abort failed: %s",),
    "verbwire.kafka.librdkafka": ("%s [%s] %s",),
    "verbwire.engine.restore.open_transactions": ("%s: transactions of dead workers could not be aborted: %s",),
    "verbwire.subscribers.assigned_partitions": ("%s: offsets were not committed: %s",),
    "verbwire.subscribers.group": ("%s: %d partitions were lost",),
    "verbwire.subscribers.handler_threads": ("%s: %s has to wait: %s",),
    "verbwire.discovery.announcer": ("this worker could not be announced: %s",),
    "verbwire.client.asking.poller": ("outcomes cannot be read now, retrying: %s",),
    "verbwire.http": ("%s was not acknowledged: %s",),
}


class Outage:
    """Whether a system is reached, logged in few lines. May be used by several threads."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._began = self._last = 0.0
        self._ended = float("-inf")
        self._over: threading.Event | None = None  # while it lasts

    def lasts(self) -> bool:
        """Whether it is not reached now."""
        return self._over is not None

    def explains(self) -> bool:
        """Whether what fails now may well have failed by it."""
        return self.lasts() or time.monotonic() - self._ended < AFTERMATH_SECONDS

    def failed(self, why: str) -> None:
        """A client does not reach it."""
        with self._lock:
            self._last = time.monotonic()
            if self._over is not None:
                return
            self._began, self._over = self._last, threading.Event()
            threading.Thread(target=self._remind, args=(self._over,), name="verbwire-outage", daemon=True).start()
        log.warning("%s is not reached: %s. What needs it waits, and goes on by itself", self._what, why)

    def reached(self) -> None:
        """A client has reached it; the outage is over once no client complains any more."""
        with self._lock:
            now = time.monotonic()
            if self._over is None or now - self._last < QUIET_SECONDS:
                return
            self._over.set()
            self._over, self._ended = None, now
            seconds = self._last - self._began
        log.warning("%s is reached again, after %.0f s", self._what, seconds)

    def _remind(self, over: threading.Event) -> None:
        since = time.strftime("%H:%M:%S")
        while not over.wait(MINUTE):
            log.warning("%s is still not reached, since %s", self._what, since)


class Quiet(logging.Filter):
    """Lets through what an outage does not explain, and the same line of a library once a minute."""

    def __init__(self, outage: Outage) -> None:
        super().__init__()
        self._outage = outage
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is to be logged; one that means that Kafka is not reached reports the outage instead."""
        if record.msg in NOT_REACHED.get(record.name, ()):
            self._outage.failed(record.getMessage())
            return False
        if self._outage.explains() and record.msg in EXPLAINED.get(record.name, ()):
            return False
        return record.exc_info is not None or self._is_new(record)

    def _is_new(self, record: logging.LogRecord) -> bool:
        line, now = (record.name, record.getMessage()), time.monotonic()
        if now - self._said.get(line, float("-inf")) < MINUTE:
            return False
        self._said = {each: at for each, at in self._said.items() if now - at < MINUTE} | {line: now}
        return True


@contextmanager
def filtered_by(outage: Outage) -> Iterator[None]:
    """Filter the loggers that complain by the outage, until the block ends."""
    quiet, loggers = Quiet(outage), [logging.getLogger(name) for name in {*NOT_REACHED, *EXPLAINED}]
    for each in loggers:
        each.addFilter(quiet)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(quiet)
