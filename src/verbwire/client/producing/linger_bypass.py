"""Bypasses ``linger.ms`` for commands whose outcome a caller waits for."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from verbwire.client.producing.ack import Ack

_FLUSH_SECONDS = 0.001
_AGAIN_SECONDS = 0.01  # as a rule the acknowledgement is here by then
_SELDOM_SECONDS = 0.2


class LingerBypass:
    """Overrules ``linger.ms`` of a producer for the moment, without making its callers wait.

    While librdkafka flushes it does not linger, but a thread of its own notices only at the flush's beginning, and not
    at all when it is late to wake up (rd_kafka_flush). So flushes are short, each call has one after it, and there are
    more of them, ever rarer, until what was produced is acknowledged.
    (A second producer that never lingers would let asked commands overtake sent ones.)
    """

    def __init__(self, kafka: Any) -> None:
        self._kafka = kafka
        self._waiting: deque[Ack] = deque()
        self._wanted = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def now(self, ack: Ack) -> None:
        """Let go what was produced up to the record of this acknowledgement; returns immediately."""
        self._waiting.append(ack)
        if self._thread is None:
            self._start()
        if not self._wanted.is_set():
            self._wanted.set()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping = True
        self._wanted.set()

    def join(self) -> None:
        """Wait for its end."""
        with self._lock:
            if self._thread is not None:
                self._thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._serve, name="verbwire-linger-bypass", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        pause: float | None = None
        while not self._stopping:
            if self._wanted.wait(pause):
                self._wanted.clear()
                pause = _AGAIN_SECONDS
            elif pause is not None:
                pause = min(2 * pause, _SELDOM_SECONDS)
            self._kafka.flush(_FLUSH_SECONDS)
            self._forget_acknowledged()
            if not self._waiting:
                pause = None

    def _forget_acknowledged(self) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
