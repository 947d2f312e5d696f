"""Worker endpoints for queries: the addresses that the client was given, or those of the directory."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Protocol

from verbwire.client.base.connection import Connection
from verbwire.discovery.directory import Directory
from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.security.hosts import base_url
from verbwire.security.workers_key import VerifyingKey
from verbwire.wire.codec.topics import Codec

_DIRECTORY_SECONDS = 5.0


class _Known(Protocol):
    """What knows addresses to ask at."""

    advice: str

    def urls(self) -> Sequence[str]:
        """Return those that may be asked now; raises :class:`UnavailableError` where none is known."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class WorkerEndpoints:
    """Addresses to ask at. Any worker answers any question, so a client stays with one until that fails."""

    def __init__(self, known: _Known) -> None:
        self._known = known
        self._lock = threading.Lock()
        self._now = ""

    @classmethod
    def of(cls, connection: Connection, codec: Codec) -> WorkerEndpoints:
        """Return those of a connection: its `http_endpoints`, or else the workers that run."""
        if connection.http_endpoints:
            return cls(_Given(connection.http_endpoints))
        return cls(_Announced(connection, codec))

    @property
    def advice(self) -> str:
        """What to do where an address of these does not answer."""
        return self._known.advice

    def door(self) -> str:
        """Return the address to ask at now; :class:`UnavailableError` when none is known."""
        urls = self._known.urls()
        with self._lock:
            if self._now not in urls:
                self._now = random.choice(urls)  # noqa: S311 (clients spread over the workers)
            return self._now

    def shut(self, door: str) -> None:
        """Use another one next time, where there is one: this did not answer."""
        with self._lock:
            if self._now == door:
                others = [url for url in self._known.urls() if url != door]
                self._now = random.choice(others) if others else door  # noqa: S311 (likewise)

    def close(self) -> None:
        """Let go of what knows them."""
        self._known.close()


class _Given:
    """Addresses that the settings name."""

    advice = "look at http_endpoints (VERBWIRE_HTTP_ENDPOINTS)"

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = [base_url(url, "http_endpoints") for url in urls]

    def urls(self) -> Sequence[str]:
        return self._urls

    def close(self) -> None:
        """Nothing is held."""


class _Announced:
    """Addresses that the workers announce."""

    advice = (
        "a worker announces its http_advertised_url (VERBWIRE_HTTP_ADVERTISED_URL): where clients cannot reach that, "
        "name what they can in http_endpoints (VERBWIRE_HTTP_ENDPOINTS)"
    )

    def __init__(self, connection: Connection, codec: Codec) -> None:
        key = connection.workers_key()
        if key is None:
            raise ConfigurationError(
                "queries may carry a token, and nothing here says which addresses are the workers': set "
                "http_workers_key (VERBWIRE_HTTP_WORKERS_KEY) to what `verbwire workers-key` prints, or name the "
                "addresses in http_endpoints (VERBWIRE_HTTP_ENDPOINTS); a Connection made by hand has both as well"
            )
        kafka = {**connection.kafka, "bootstrap.servers": connection.bootstrap}
        self._directory = Directory(kafka, codec, VerifyingKey(key).verify)
        self._directory.start()
        self._complete = False

    def urls(self) -> Sequence[str]:
        if not self._complete:
            self._directory.wait(_DIRECTORY_SECONDS)
            self._complete = True
        urls = [worker.url for worker in self._directory.workers()]
        if not urls:
            raise UnavailableError(self._nobody())
        return urls

    def _nobody(self) -> str:
        nobody = "no worker of this project runs, as far as the directory knows: start one"
        doubted = self._directory.doubted()
        if not doubted:
            return nobody
        return f"{nobody}; {doubted[0].name} is there, but is not believed: {doubted[0].why} (http_workers_key)"

    def close(self) -> None:
        self._directory.close()
