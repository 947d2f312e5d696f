"""The acknowledgement of one message: await it, wait for it, or ignore it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from verbwire.client.base.completion import Completion
from verbwire.errors import DeliveryError
from verbwire.kafka import denials


class Position(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class Failures:
    """Failed deliveries whose Ack was not looked at: their number and the first cause."""

    def __init__(self, denied: Callable[[], bool] = lambda: False) -> None:
        """Begin without any; `denied` tells whether an ACL is in the way of the producer as a whole."""
        self.lock = threading.Lock()
        self.denied = denied
        self._count = 0
        self._first: DeliveryError | None = None

    def add(self, error: DeliveryError) -> None:
        """Note a failure; called with the lock held."""
        self._count += 1
        self._first = self._first or error

    def seen(self) -> None:
        """Note that one of them was looked at; called with the lock held."""
        self._count = max(0, self._count - 1)
        if not self._count:
            self._first = None

    def raise_unseen(self) -> None:
        """Raise :class:`DeliveryError` once for all failures that were not looked at."""
        with self.lock:
            count, first, self._count, self._first = self._count, self._first, 0, None
        if first is not None:
            raise DeliveryError(f"{count} message(s) were not delivered; the first: {first}") from first


class TooLargeError(DeliveryError):
    """The broker did not take a message, and never will: it is larger than its topic takes."""


class Ack(Completion):
    """The acknowledgement of one message; cheap, unless it is waited for.

    ``ack.result(timeout)`` waits in any thread, ``await ack`` in any running loop; both give the :class:`Position`
    or raise :class:`DeliveryError`. A failure that is not looked at is raised by the client's ``flush`` or ``close``.
    """

    __slots__ = ("_error", "_failures", "_offset", "_partition", "_seen", "id", "timestamp", "topic")

    def __init__(self, id: str, topic: str, failures: Failures) -> None:
        super().__init__(failures.lock)
        self.id = id
        self.topic = topic
        self._failures = failures
        self._partition = -1
        self._offset = -1
        self._error: DeliveryError | None = None
        self._seen = False
        self.timestamp = -1  # the record's, in milliseconds, once it is acknowledged

    def done(self) -> bool:
        """Whether the broker has answered, or the time is up."""
        return self._offset >= 0 or self._error is not None

    @property
    def position(self) -> Position | None:
        """Where the record lies; None as long as it is not acknowledged."""
        return Position(self.topic, self._partition, self._offset) if self._offset >= 0 else None

    @property
    def error(self) -> DeliveryError | None:
        """Why it was not delivered; looking here does not count as having looked at it."""
        return self._error

    def result(self, timeout: float | None = None) -> Position:
        """Wait for the broker, at most `timeout` seconds (None: as long as delivery may take), and return the position.

        :class:`DeliveryError` when it was not delivered, or not yet; sending it again with the same id is safe.
        """
        if not self.wait(timeout):
            raise DeliveryError(f"{self.topic}: no acknowledgement of {self.id} within {timeout} s; it is still tried")
        return self._take()

    def __await__(self) -> Generator[Any, None, Position]:
        yield from self.arrival()
        return self._take()

    def settle(self, error: Any, message: Any) -> None:
        """Take down what librdkafka reports: the delivery callback."""
        with self._lock:
            if error is None:
                self.timestamp = message.timestamp()[1]
                self._partition = message.partition()
                self._offset = message.offset()
            else:
                refused = TooLargeError if error.name() == "MSG_SIZE_TOO_LARGE" else DeliveryError
                self._error = refused(_why(self.topic, error, self._failures.denied()))
                self._failures.add(self._error)
            wakes = self._settled()
        for wake in wakes:
            wake()

    def _take(self) -> Position:
        if self._error is None:
            return Position(self.topic, self._partition, self._offset)
        with self._failures.lock:
            if not self._seen:
                self._seen = True
                self._failures.seen()
        raise self._error


def _why(topic: str, error: Any, producer_denied: bool) -> str:
    if error.name() in ("_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_PARTITION"):
        return f"{topic} does not exist on this cluster: run `verbwire deploy`"
    if error.name() == "MSG_SIZE_TOO_LARGE":
        return f"{topic}: the message is larger than the topic takes: keep less in it"
    if error.name() == "_MSG_TIMED_OUT":
        return f"{topic}: the broker did not acknowledge in time; sending the message again with the same id is safe"
    # A producer that may write to no topic at all is beyond repair, and librdkafka lets go of what still waits in it.
    if denials.is_denied(error) or (producer_denied and error.name() == "_PURGE_QUEUE"):
        return denials.denied("WRITE", f"TOPIC {topic}")
    return f"{topic}: {error.str()}; sending the message again with the same id is safe"
