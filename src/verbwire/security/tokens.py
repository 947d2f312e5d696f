"""Bearer tokens that verbwire makes itself, for development, and signatures by a secret.

A secret serves one purpose. Where several are needed they are derived from one, each by a label of its own, so that
what was signed for one purpose is worth nothing for another.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable

import jwt

from verbwire.errors import ConfigurationError
from verbwire.security.netstrings import netstrings

OPERATOR = "verbwire:operator"
METRICS = "verbwire:metrics"  # reads /metrics, and nothing else
ISSUER = "verbwire"
AUDIENCE = "verbwire"
INTERNAL_AUDIENCE = "verbwire:worker"  # begins the audience of what one worker shows another
MIN_SECRET = 32  # bytes, RFC 7518 section 3.2: as long as the hash
ALGORITHMS = ("HS256",)


def require_secret(secret: str, setting: str = "http_secret") -> str:
    """Return the secret; :class:`ConfigurationError` for one that is shorter than the hash it keys."""
    if len(secret.encode()) < MIN_SECRET:
        raise ConfigurationError(
            f"{setting} (VERBWIRE_{setting.upper()}) is shorter than {MIN_SECRET} bytes: take `openssl rand -hex 32`"
        )
    return secret


def mint_token(
    secret: str,
    actor: str,
    scopes: Iterable[str],
    seconds: float = 3600,
    *,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
) -> str:
    """Return a token for development, signed with the worker's own secret, valid for that many seconds."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": actor,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + int(seconds),
    }
    return jwt.encode(claims, require_secret(secret), algorithm=ALGORITHMS[0])


def sign(secret: str, label: str, data: bytes) -> bytes:
    """Return the 32 bytes that vouch for `data` under this label: HMAC-SHA256."""
    return hmac.digest(secret.encode(), netstrings(label.encode(), data), hashlib.sha256)


def verify(secret: str, label: str, data: bytes, signature: bytes) -> bool:
    """Whether `signature` was made by :func:`sign` of the same; takes the same time whether it was or not."""
    return hmac.compare_digest(sign(secret, label, data), signature)
