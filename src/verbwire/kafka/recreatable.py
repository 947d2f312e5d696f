"""Keeps a Kafka client that is created when it is needed, and replaced after it has failed.

librdkafka's clients may be stuck for good after a failure: one that got metadata without any broker, if only for
a moment, never asks again (a node that stalls for longer than its session is left out of the metadata that it
returns, while it goes on answering); another goes on asking a coordinator that is gone (librdkafka#5511). A new one
begins from the bootstrap addresses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from verbwire.idle import make_known

T = TypeVar("T")

PATIENT: Mapping[str, str] = {
    # With "rebootstrap" a client tries to connect without a pause while no broker answers, 23 times a second, and logs
    # each time. And a broker that comes back, when it was the last one, is not found again by what waits for it as a
    # coordinator (librdkafka#5511).
    "metadata.recovery.strategy": "none",
    "reconnect.backoff.max.ms": "1000",  # by default ten seconds: so late a client may notice the end of an outage
}
"""How a client looks for brokers that are away: properties of librdkafka."""


class ReplaceableClient(Generic[T]):
    """Holds one client and replaces it after a failure. Thread-safe if the client is.

    One that is `dispensable` may be let go of while nobody asks for it (`verbwire.idle`): it has four threads and
    several descriptors, and connects in 0.1 s.
    """

    def __init__(self, make: Callable[[], T], dispensable: bool = False) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._client: T | None = None
        self._asked_at = 0.0
        if dispensable:
            make_known(self)

    def get(self) -> T:
        """Return the client."""
        with self._lock:
            self._asked_at = time.monotonic()
            if self._client is None:
                self._client = self._make()
            return self._client

    def let_go(self, idle_seconds: float) -> None:
        """Let go of a client that nobody has asked for as long; who still has it may go on."""
        with self._lock:
            if time.monotonic() - self._asked_at <= idle_seconds:
                return
            client, self._client = self._client, None
        del client  # outside of the lock: to disconnect may take a while

    def failed(self, client: T) -> None:
        """Let go of this client, where it is still the one that is kept; other users of it may go on."""
        with self._lock:
            if self._client is client:
                self._client = None
