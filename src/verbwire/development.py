"""What makes a project run on one machine without anything being set: a development secret for tokens."""

from __future__ import annotations

import os
import secrets

from verbwire.errors import ConfigurationError
from verbwire.settings import EMBEDDED, Settings
from verbwire.tokens import require_secret, sign

FILE = "development-secret"


def http_secret(settings: Settings) -> str | None:
    """Return the secret that signs development tokens, None where tokens come from an identity provider.

    On the embedded stack one is made at first need and kept in the data folder, readable by its owner alone;
    anywhere else it has to be set.
    """
    if settings.http_jwks_url or settings.http_secret:
        return settings.http_secret or None
    if settings.bootstrap != EMBEDDED:
        raise ConfigurationError(
            "HTTP needs a way to check tokens: set http_jwks_url (VERBWIRE_HTTP_JWKS_URL), "
            "or for development http_secret (VERBWIRE_HTTP_SECRET)"
        )
    path = settings.data_folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text("ascii")


def grant_secrets(settings: Settings) -> tuple[str, ...]:
    """Return the secrets of grants (wire/grants.py), the one that signs first; none where none can be told.

    ``grant_secrets``, or else one derived from that by which workers know each other.
    """
    if settings.grant_secrets:
        return tuple(require_secret(each, "grant_secrets") for each in settings.grant_secrets)
    try:
        secret = internal_secret(settings)
    except ConfigurationError:  # a place that sends, and has none: who needs one says which
        return ()
    return () if secret is None else (sign(secret, "verbwire:grant-secret", b"").hex(),)


def internal_secret(settings: Settings) -> str | None:
    """Return the secret by which the workers of a project know each other, None where there is none to derive it from.

    Derived from the secret of HTTP's tokens, which signs other things; where tokens come from an identity provider
    it has to be set (``http_internal_secret``), the same for all workers, or none forwards to another.
    """
    if settings.http_internal_secret:
        return require_secret(settings.http_internal_secret, "http_internal_secret")
    secret = http_secret(settings)
    return None if secret is None else sign(require_secret(secret), "verbwire:internal-secret", b"").hex()
