"""A client of the cluster that is made when it is needed, and made anew after it has failed.

librdkafka's clients may be stuck for good once something was wrong: one that was told of no broker at all, if only for
a moment, asks nobody any more (a node that stalls for longer than its session is left out of what it tells of the
cluster, while it goes on answering); another goes on asking a coordinator that is gone (librdkafka#5511). A new one
begins from the bootstrap addresses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENT: Mapping[str, str] = {
    # With "rebootstrap" a client tries to connect without a pause while nobody answers, 23 times a second, and says so
    # each time. And a broker that comes back, when it was the last one, is not found again by what waits for it as a
    # coordinator (librdkafka#5511).
    "metadata.recovery.strategy": "none",
    "reconnect.backoff.max.ms": "1000",  # by default ten seconds: so late a client may notice the end of an outage
}
"""How a client looks for brokers that are away: properties of librdkafka."""


class ReplaceableClient(Generic[T]):
    """Keeps one client; may be used by several threads, if the client may be."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._client: T | None = None

    def get(self) -> T:
        """Return the client."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    def failed(self, client: T) -> None:
        """Let go of this client, where it is still the one that is kept; whoever else uses it may go on to do so."""
        with self._lock:
            if self._client is client:
                self._client = None
