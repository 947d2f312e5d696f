"""Looks at the cluster every few seconds, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from verbwire.errors import UnavailableError

log = logging.getLogger(__name__)


class ClusterWatch(ABC):
    """Looks at once and then every so many seconds, between `start` and `stop`; `doing` says in the log what.

    An outage is waited for, and others tell of it. What is not foreseen is logged, and looked for again.
    """

    def __init__(self, doing: str, seconds: float) -> None:
        self._doing = doing
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=doing, daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Look once; :class:`UnavailableError` while Kafka does not answer."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a request under way is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        looking = True
        while looking:
            try:
                self.look()
            except UnavailableError as error:
                log.debug("%s: %s", self._doing, error)
            except Exception:
                log.exception("%s failed in a way that is not foreseen", self._doing)
            looking = not self._stop.wait(self._seconds)
