"""Where a client's questions go: to one address, or to any worker that the directory knows."""

from __future__ import annotations

import random
import threading

from verbwire.directory import Directory
from verbwire.errors import UnavailableError
from verbwire.sdk.connection import Connection
from verbwire.wire.codec import Codec

_DIRECTORY_SECONDS = 5.0


class Doors:
    """Addresses to ask at. Any worker answers any question, so a client stays with one until that fails."""

    def __init__(self, url: str | None, directory: Directory | None) -> None:
        self._url = url.rstrip("/") if url else ""
        self._directory = directory
        self._complete = False
        self._lock = threading.Lock()
        self._now = ""

    @classmethod
    def of(cls, connection: Connection, codec: Codec) -> Doors:
        """Return those of a connection: its `http`, or else the workers that run."""
        if connection.http:
            return cls(connection.http, None)
        directory = Directory({**connection.kafka, "bootstrap.servers": connection.bootstrap}, codec)
        directory.start()
        return cls(None, directory)

    def door(self) -> str:
        """Return the address to ask at now; :class:`UnavailableError` when none is known."""
        if self._directory is None:
            return self._url
        if not self._complete:
            self._directory.wait(_DIRECTORY_SECONDS)
            self._complete = True
        urls = [worker.url for worker in self._directory.workers()]
        with self._lock:
            if self._now not in urls:
                if not urls:
                    raise UnavailableError("no worker of this project runs, as far as the directory knows: start one")
                self._now = random.choice(urls)  # noqa: S311 (clients spread over the workers)
            return self._now

    def shut(self, door: str) -> None:
        """Ask at another one next time, where there is one: nobody answered at this."""
        with self._lock:
            if self._now == door and self._directory is not None:
                others = [worker.url for worker in self._directory.workers() if worker.url != door]
                self._now = random.choice(others) if others else door  # noqa: S311 (likewise)

    def close(self) -> None:
        """Let go of the directory."""
        if self._directory is not None:
            self._directory.close()
