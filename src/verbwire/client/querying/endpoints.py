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


class _EndpointSource(Protocol):
    """A source of worker addresses."""

    advice: str

    def urls(self) -> Sequence[str]:
        """Return those that may be asked now; raises :class:`UnavailableError` where none is known."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class WorkerEndpoints:
    """Worker endpoints for queries. Every worker answers every query, so a client keeps one until it fails."""

    def __init__(self, source: _EndpointSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._current = ""

    @classmethod
    def of(cls, connection: Connection, codec: Codec) -> WorkerEndpoints:
        """Return those of a connection: its `http_endpoints`, or else the workers that run."""
        if connection.http_endpoints:
            return cls(_Given(connection.http_endpoints))
        return cls(_Announced(connection, codec))

    @property
    def advice(self) -> str:
        """What to do where an address of these does not answer."""
        return self._source.advice

    def endpoint(self) -> str:
        """Return the address that queries go to now; :class:`UnavailableError` when none is known."""
        urls = self._source.urls()
        with self._lock:
            if self._current not in urls:
                self._current = random.choice(urls)  # noqa: S311 (clients spread over the workers)
            return self._current

    def mark_failed(self, endpoint: str) -> None:
        """Use another endpoint from now on, if there is one: this one did not answer."""
        with self._lock:
            if self._current == endpoint:
                others = [url for url in self._source.urls() if url != endpoint]
                self._current = random.choice(others) if others else endpoint  # noqa: S311 (likewise)

    def close(self) -> None:
        """Close the source of the addresses."""
        self._source.close()


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
        self._directory = Directory(connection.librdkafka, codec, VerifyingKey(key).verify)
        self._directory.start()
        self._complete = False

    def urls(self) -> Sequence[str]:
        if not self._complete:
            self._directory.wait(_DIRECTORY_SECONDS)
            self._complete = True
        urls = [worker.url for worker in self._directory.workers()]
        if not urls:
            raise UnavailableError(self._none_known())
        return urls

    def _none_known(self) -> str:
        nobody = "no worker of this project runs, as far as the directory knows: start one"
        doubted = self._directory.doubted()
        if not doubted:
            return nobody
        return f"{nobody}; {doubted[0].name} is there, but is not believed: {doubted[0].why} (http_workers_key)"

    def close(self) -> None:
        self._directory.close()
