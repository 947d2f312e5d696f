"""The acknowledgement of one message: await it, wait for it, or ignore it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from verbwire.client.base.completion import Completion, Wake
from verbwire.errors import DeliveryError
from verbwire.kafka import denials

_Delivered: TypeAlias = tuple[int, int, int]
"""Partition, offset, and the record's timestamp in milliseconds."""


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


class Ack(Completion, msgspec.Struct, eq=False):
    """The acknowledgement of one message; cheap, unless it is waited for.

    ``ack.result(timeout)`` waits in any thread, ``await ack`` in any running loop; both give the :class:`Position`
    or raise :class:`DeliveryError`. A failure that is not looked at is raised by the client's ``flush`` or ``close``.
    """

    id: str
    topic: str
    _failures: Failures
    _wakes: list[Wake] | None = None
    _report: _Delivered | DeliveryError | None = None  # None as long as the broker has not answered
    _seen: bool = False

    @property
    def _lock(self) -> threading.Lock:  # type: ignore[override]  # nobody sets it
        return self._failures.lock

    def done(self) -> bool:
        """Whether the broker has answered, or the time is up."""
        return self._report is not None

    @property
    def position(self) -> Position | None:
        """Where the record lies; None as long as it is not acknowledged."""
        report = self._report
        return Position(self.topic, *report[:2]) if isinstance(report, tuple) else None

    @property
    def timestamp(self) -> int:
        """The record's timestamp in milliseconds; -1 as long as it is not acknowledged."""
        return self._report[2] if isinstance(self._report, tuple) else -1

    @property
    def error(self) -> DeliveryError | None:
        """Why it was not delivered; looking here does not count as having looked at it."""
        return self._report if isinstance(self._report, DeliveryError) else None

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
        if error is None:
            self._report = (message.partition(), message.offset(), message.timestamp()[1])
        else:
            refused = TooLargeError if error.name() == "MSG_SIZE_TOO_LARGE" else DeliveryError
            failure = refused(_why(self.topic, error, self._failures.denied()))
            with self._lock:
                self._report = failure
                self._failures.add(failure)
        if self._wakes is not None:  # what is entered from now on sees the report by itself
            with self._lock:
                wakes = self._settled()
            for wake in wakes:
                wake()

    def _take(self) -> Position:
        report = self._report
        if isinstance(report, tuple):
            return Position(self.topic, *report[:2])
        assert report is not None  # noqa: S101 (it is done)
        with self._lock:
            if not self._seen:
                self._seen = True
                self._failures.seen()
        raise report


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
