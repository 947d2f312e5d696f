"""Polls the outcome logs for outcomes whose reply did not arrive: one thread."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from confluent_kafka import KafkaException

from verbwire.client.asking.consumers import Take
from verbwire.client.asking.in_flight import InFlightCommands
from verbwire.client.asking.outcome_log_reader import OutcomeLogReader
from verbwire.client.base.connection import Connection

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class PollDelays:
    """How long, in seconds, to wait for a reply until the outcome log is read, and then until all of it is."""

    reply: float = 2.0
    look_back: float = 10.0


class OutcomePoller:
    """Reads the outcome logs of the commands that are due, several partitions at once; sleeps while there are none."""

    def __init__(self, connection: Connection, in_flight: InFlightCommands, take: Take, patience: PollDelays) -> None:
        self._connection = connection
        self._in_flight = in_flight
        self._take = take
        self._delays = patience
        self._stopping = threading.Event()
        self._reader: OutcomeLogReader | None = None
        self._thread = threading.Thread(target=self._serve, name="verbwire-outcome-poller", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()
        self._in_flight.any.set()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._in_flight.any.wait()
            try:
                self._poll()
            except KafkaException as error:
                log.warning("outcomes cannot be read now, retrying: %s", error.args[0].str())
                self._rest()
            except Exception:
                log.exception("looking for outcomes failed, retrying")
                self._rest()
        self._close_reader()

    def _poll(self) -> None:
        now = time.monotonic()
        commands = self._in_flight.all()
        if not any(pending.is_due(now) for pending in commands):
            self._close_reader()
            self._stopping.wait(_LOOK_SECONDS)
            return
        if self._reader is None:
            self._reader = OutcomeLogReader(self._connection, self._take, self._delays.look_back)
        self._reader.cover(commands, now)
        while time.monotonic() < now + _LOOK_SECONDS and not self._stopping.is_set():
            self._reader.read()

    def _rest(self) -> None:
        self._close_reader()  # a new one starts from what is known then
        self._stopping.wait(_LOOK_SECONDS)

    def _close_reader(self) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.close()
