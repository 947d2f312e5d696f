"""Asks a worker of this machine, over its HTTP, how it is."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from verbwire.errors import ConfigurationError
from verbwire.security.hosts import WILDCARDS
from verbwire.settings import Settings
from verbwire.tokens import OPERATOR, development_token

_SECONDS = 4.0


@dataclass(frozen=True)
class WorkerHttp:
    """The HTTP of one worker; `token` is an operator's, None where tokens come from an identity provider."""

    host: str
    port: int
    encrypted: bool
    token: str | None

    @classmethod
    def of(cls, settings: Settings, port: int) -> WorkerHttp:
        """Return that of the worker on this port of ours."""
        host = "127.0.0.1" if settings.http_host in WILDCARDS else settings.http_host
        try:
            token = development_token(settings, "verbwire-dev", [OPERATOR])
        except ConfigurationError:
            token = None
        return cls(host, port, settings.tls_files is not None, token)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{'https' if self.encrypted else 'http'}://{self.host}:{self.port}"

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body; OSError where it does not answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with closing(self._connection()) as connection:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.read().decode("utf-8", "replace")
        except http.client.HTTPException as error:
            raise OSError(f"{self.url} gives no answer of HTTP's: {error}") from error

    def json(self, path: str) -> dict[str, Any] | None:
        """Return a JSON object, None where there is none to be had."""
        status, body = self.get(path)
        found = json.loads(body) if status == http.client.OK else None
        return found if isinstance(found, dict) else None

    def state(self) -> str:
        """Return ``ready``, or why it is not."""
        try:
            status, body = self.get("/health/ready")
        except OSError:
            return "starting"
        if status == http.client.OK:
            return "ready"
        try:
            return str(json.loads(body)["detail"])
        except (ValueError, LookupError, TypeError):
            return f"HTTP {status}"

    def _connection(self) -> http.client.HTTPConnection:
        if not self.encrypted:
            return http.client.HTTPConnection(self.host, self.port, timeout=_SECONDS)
        # Our own child, on our own machine, behind a certificate that names another host than the loopback's.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(self.host, self.port, timeout=_SECONDS, context=context)
