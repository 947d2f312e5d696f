"""SIGTERM and SIGINT, from a worker's first step to its last one: each of them ends it cleanly, in bounded time."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

STOP_SECONDS = 9.0  # Faust waits a minute for a broker that is gone; Docker kills after ten seconds, others after 30


class Shutdown:
    """Takes both signals over, on the main thread; only the first one counts.

    Until :meth:`event` is called it raises SystemExit where the worker just is: nothing has been promised yet. From
    then on it sets the event, and the worker has :data:`STOP_SECONDS` to end.
    """

    def __init__(self) -> None:
        self._asked = False
        self._tell: Callable[[], object] = _end_the_start
        self._watchdog = threading.Timer(STOP_SECONDS, _give_up)
        self._watchdog.daemon = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._on_signal())

    def event(self) -> asyncio.Event:
        """Return what is set once the worker has been asked to stop; for the running loop."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def asked() -> None:
            self.begin()
            event.set()

        # Not at once: a handler of signals interrupts the main thread anywhere, also where it holds a lock.
        self._tell = lambda: loop.call_soon_threadsafe(asked)
        if self._asked:  # a SystemExit inside a finalizer is printed and forgotten
            asked()
        return event

    def begin(self) -> None:
        """From now on the worker stops, for whatever reason: it is ended when it does not."""
        self._asked = True
        if self._watchdog.ident is None:
            self._watchdog.start()

    def done(self) -> None:
        """Whatever could hang has ended."""
        self._watchdog.cancel()

    def _on_signal(self) -> None:
        if not self._asked:
            self._asked = True
            self._tell()


def _end_the_start() -> None:
    raise SystemExit(0)


def _give_up() -> None:
    """End at once: nothing that was promised is lost by it, all of that is in Kafka or was never committed."""
    log.warning("not stopped within %.0f s (is the broker gone?): exiting without waiting any longer", STOP_SECONDS)
    logging.shutdown()
    os._exit(1)
