"""The bearer token that a client sends with its queries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from verbwire.errors import ConfigurationError
from verbwire.secrets import http_secret
from verbwire.security.tokens import mint_token
from verbwire.settings import Settings

Token: TypeAlias = Callable[[], str | None]
"""Returns the token to show now. Called before each request, by several threads: it should remember."""

_SECONDS = 600.0
_RENEW_SECONDS = 60.0  # before it expires


def no_token() -> str | None:
    """Return none: ask anonymously."""
    return None


def token_of(settings: Settings) -> Token:
    """Return what gives the token that the settings say.

    That is ``http_token``, or one signed with the development secret for the actor and scopes of the settings; none
    without an actor. ConfigurationError, when it is called, where tokens come from an identity provider and
    none is set.
    """
    if settings.http_token:
        return lambda: settings.http_token
    if not settings.actor:
        return no_token
    if settings.http_jwks_url:
        return _required
    return _Minted(settings)


def _required() -> str | None:
    raise ConfigurationError(
        "queries need a token of your identity provider: set http_token (VERBWIRE_HTTP_TOKEN), or give the Connection "
        "a `token` function"
    )


class _Minted:
    """Signs tokens with the development secret, a new one shortly before the last expires."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def __call__(self) -> str | None:
        with self._lock:
            if time.monotonic() > self._until:
                self._token, self._until = self._mint(), time.monotonic() + _SECONDS - _RENEW_SECONDS
            return self._token

    def _mint(self) -> str:
        settings = self._settings
        secret = http_secret(settings) or ""
        issuer, audience = settings.http_issuer, settings.http_audience
        return mint_token(secret, settings.actor, settings.scopes, _SECONDS, issuer=issuer, audience=audience)
