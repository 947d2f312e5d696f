"""Sending at once what librdkafka would hold back for company: who asks waits, who sends does not."""

from __future__ import annotations

import threading
from typing import Any

_SECONDS = 0.001


class Hurry:
    """Overrules ``linger.ms`` of a producer for the moment, without making its callers wait.

    While librdkafka flushes it does not linger, but it looks at the flush's beginning only: so flushes are short, and
    each call has one after it. (A second producer that never lingers would let asked commands overtake sent ones.)
    """

    def __init__(self, kafka: Any) -> None:
        self._kafka = kafka
        self._wanted = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def now(self) -> None:
        """Let go what was produced so far; returns immediately."""
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
                self._thread = threading.Thread(target=self._serve, name="verbwire-hurry", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while not self._stopping:
            self._wanted.wait()
            self._wanted.clear()
            self._kafka.flush(_SECONDS)
