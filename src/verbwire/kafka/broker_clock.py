"""The broker's clock, as far as it can be known here: deadlines count from the timestamps that it writes."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import timedelta

CLOCKS_APART = timedelta(hours=1)  # this machine's and the broker's, at most
_KEPT = 8  # observations; an older one is of no use for a clock that drifts, or was set


class BrokerClock:
    """Estimates the broker's time. May be used by several threads.

    Until something was observed it is this machine's. An observation is late by as long as the acknowledgement took,
    so the one that is ahead of the others is the nearest. From then on it goes by the monotonic clock: whoever sets
    this machine's clock ahead, or back, moves nothing here.
    """

    def __init__(self) -> None:
        self._offset: float | None = None  # milliseconds, from the monotonic clock to the broker's
        self._seen: deque[float] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    @property
    def is_known(self) -> bool:
        """Whether anything was observed: what may not happen early waits for it."""
        return self._offset is not None

    def now_ms(self) -> int:
        """Return the broker's time in milliseconds since the epoch; never ahead of it once something was observed."""
        offset = self._offset
        return int(time.time() * 1000) if offset is None else int(time.monotonic() * 1000 + offset)

    def observe(self, broker_ms: int) -> None:
        """Take the timestamp that the broker has just given to a record of a topic with LogAppendTime."""
        with self._lock:
            self._seen.append(broker_ms - time.monotonic() * 1000)
            self._offset = max(self._seen)
