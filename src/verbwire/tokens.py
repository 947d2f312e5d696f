"""Tokens for development and tests: what somebody shows a worker's HTTP, signed with the project's own secret.

In production they come from an identity provider (``http_jwks_url``), and nobody signs any here.
"""

from __future__ import annotations

from collections.abc import Iterable

from verbwire.errors import ConfigurationError
from verbwire.secrets import http_secret
from verbwire.security.tokens import METRICS, OPERATOR, mint_token
from verbwire.settings import Settings

__all__ = ["METRICS", "OPERATOR", "development_token"]


def development_token(settings: Settings, actor: str, scopes: Iterable[str] = (), seconds: float = 3600) -> str:
    """Return a token of `actor` with these scopes, valid for that many seconds.

    :data:`OPERATOR` among the scopes lets somebody read all tables, :data:`METRICS` the metrics.
    :class:`ConfigurationError` where the project's tokens come from an identity provider.
    """
    secret = http_secret(settings)
    if secret is None:
        raise ConfigurationError(
            "tokens of this project come from its identity provider: unset http_jwks_url (VERBWIRE_HTTP_JWKS_URL) to "
            "sign some for development"
        )
    issuer, audience = settings.http_issuer, settings.http_audience
    return mint_token(secret, actor, scopes, seconds, issuer=issuer, audience=audience)
