"""Runs a group's handlers on threads of their own, and retries them in place."""

from __future__ import annotations

import logging
import random
import threading
import time

from verbwire.errors import Requeue
from verbwire.idle import IDLE_SECONDS
from verbwire.subscribers.attempt import RecordAttempt
from verbwire.subscribers.key_queues import KeyedWorkQueue, QueuedRecord
from verbwire.subscribers.results import Done, Raised, Unavailable

log = logging.getLogger(__name__)

_OBSTRUCTED_SECONDS = 10.0  # between two attempts at most, while broker or registry are in the way
_REGISTRY_SECONDS = 10.0  # an attempt takes while the registry is silent
_RETRY_SECONDS = 300.0  # between two attempts at most, after a handler has raised


class HandlerThreads:
    """Takes records from the queue and attempts them, each until it is handled, parked, or a dead letter."""

    def __init__(self, attempts: RecordAttempt, queue: KeyedWorkQueue) -> None:
        self._attempts = attempts
        self._plan = attempts.plan
        self._queue = queue
        self._threads = 0  # under the queue's lock
        self._registry_until = 0.0  # it is known to be in the way until then, on the monotonic clock
        self.failure: str | None = None  # why only a new process can help

    def start(self) -> None:
        """Begin: threads start as they are needed, up to as many as the declaration says, and end while they idle."""
        self._queue.wants_thread = self._start_one

    def waits_for_registry(self) -> bool:
        """Whether records could not be read lately because the schema registry did not answer."""
        return time.monotonic() < self._registry_until

    def _start_one(self) -> bool:
        """Start a thread, unless there are as many as there may be; return whether it was started."""
        if self._threads >= self._plan.declared.concurrency:
            return False
        self._threads += 1
        # A daemon: a handler that does not return must not keep the process from ending.
        threading.Thread(target=self._run, name=f"{self._plan.group} {self._threads}", daemon=True).start()
        return True

    def _left(self) -> None:
        self._threads -= 1

    def _run(self) -> None:
        while (task := self._queue.take(IDLE_SECONDS, self._left)) is not None:
            try:
                self._attempt(task)
            except Requeue:
                # In a revoke it is left to the next owner. Else it is retried later, and does not count as a failure.
                self._queue.retry_later(task, self._delay(task.failures))
            except BaseException as error:  # ours: the group would do nothing more, without a word
                log.exception("%s: an attempt broke in a way that is not foreseen", self._plan.group)
                self.failure = f"an attempt broke in a way that is not foreseen: {error!r}"
                raise

    def _attempt(self, task: QueuedRecord) -> None:
        result = self._attempts.attempt(task)
        if isinstance(result, Raised):
            task.failures += 1
            if task.failures <= self._plan.declared.retries or task.in_flight.stopping:
                # What it raised is in the log already, as often as anybody wants to read it.
                log.debug("%s: attempt %d at %s: %s", self._plan.group, task.failures, task.place, result.detail)
                self._attempts.metrics.retried("failed")
                return self._queue.retry_later(task, self._delay(task.failures - 1))
            result = self._attempts.give_up(task, result)
        if isinstance(result, Unavailable):
            task.delays += 1
            log.warning("%s: %s has to wait: %s", self._plan.group, task.place, result.why)
            self._attempts.metrics.retried("obstructed")
            seconds = min(0.5 * 2 ** min(task.delays, 10), _OBSTRUCTED_SECONDS)
            if result.registry:
                self._registry_until = time.monotonic() + seconds + _REGISTRY_SECONDS
            return self._queue.retry_later(task, seconds)
        assert isinstance(result, Done)  # noqa: S101 (there are three)
        self._attempts.metrics.handled()
        return self._queue.done(task)

    def _delay(self, failures: int) -> float:
        """Return an exponential delay with jitter, so that what failed together is not retried together."""
        seconds: float = self._plan.declared.backoff.total_seconds() * 2.0 ** min(failures, 30)
        return min(seconds, _RETRY_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)
