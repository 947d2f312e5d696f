"""The secrets of a project, as the settings say: what tokens are signed with, and by what workers are known.

On one machine nothing has to be set: a development secret is made, and the rest derived from it.
"""

from __future__ import annotations

import os
import secrets

from verbwire.errors import ConfigurationError
from verbwire.security import private_files
from verbwire.security.hosts import are_loopback, is_loopback
from verbwire.security.private_files import private_file, private_folder
from verbwire.security.tokens import require_secret, sign
from verbwire.security.workers_key import SigningKey
from verbwire.settings import ANYWHERE, EMBEDDED, Settings

FILE = "development-secret"


def http_secret(settings: Settings) -> str | None:
    """Return the secret that signs development tokens, None where tokens come from an identity provider.

    On the embedded stack one is made at first need and kept in the data folder, readable by its owner alone;
    anywhere else it has to be set. ConfigurationError where it would serve more than this machine and nobody has said
    that it may: whoever has it may be anybody, and it is asked for in every place where a token is made or checked.
    """
    if settings.http_jwks_url:
        return settings.http_secret or None
    if not settings.http_secret and settings.bootstrap != EMBEDDED:
        raise ConfigurationError(
            "HTTP needs a way to verify tokens: set http_jwks_url (VERBWIRE_HTTP_JWKS_URL), "
            "or for development http_secret (VERBWIRE_HTTP_SECRET)"
        )
    _require_local(settings)
    if settings.http_secret:
        return settings.http_secret
    path = settings.data_folder / FILE
    private_folder(path.parent)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private_files.FILE), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return private_file(path).read_text("ascii")


def _require_local(settings: Settings) -> None:
    if settings.http_development == ANYWHERE:
        return
    if settings.bootstrap != EMBEDDED and not are_loopback(settings.bootstrap):
        where = f"Kafka at {settings.bootstrap} is on another machine"
    elif not is_loopback(settings.http_host):
        where = f"HTTP on {settings.http_host or 'every address'} is reached from other machines"
    else:
        return
    raise ConfigurationError(
        f"{where}, and anyone with the development secret can act as anyone there: let tokens come from your identity "
        "provider (http_jwks_url, VERBWIRE_HTTP_JWKS_URL), or confirm that this is meant (http_development, "
        f'VERBWIRE_HTTP_DEVELOPMENT="{ANYWHERE}")'
    )


def grant_secrets(settings: Settings) -> tuple[str, ...]:
    """Return the secrets of grants (wire/grants/grants.py), the one that signs first; none where none can be told.

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


def workers_key(settings: Settings) -> str | None:
    """Return the public key of the project's workers, None where it is neither set nor derived from a secret here.

    By it a client knows whom to ask, without the secret: ``http_workers_key``, what `verbwire workers-key` prints.
    """
    if settings.http_workers_key:
        return settings.http_workers_key
    local = settings.bootstrap == EMBEDDED and not settings.http_jwks_url
    if not (local or settings.http_internal_secret or settings.http_secret):
        return None
    secret = internal_secret(settings)
    return None if secret is None else signing_key(secret).public()


def signing_key(secret: str) -> SigningKey:
    """Return the private key of the project's workers, derived from their secret (:func:`internal_secret`)."""
    return SigningKey(sign(secret, "verbwire:workers-key", b""))
