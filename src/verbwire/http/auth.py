"""Who asks: bearer tokens (RFC 6750), JWTs (RFC 7519) checked by PyJWT with algorithms that are fixed here.

A token says who someone is only when its signature, issuer, audience, expiry and subject all hold; there is one answer
for every way in which they do not, and it takes the same time, so that refusals teach nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from verbwire.errors import ConfigurationError
from verbwire.http.jwks import KeySet
from verbwire.http.problem import Problem

OPERATOR = "verbwire:operator"
ISSUER = "verbwire"
AUDIENCE = "verbwire"
MIN_SECRET = 32  # bytes, RFC 7518 section 3.2: as long as the hash
_SHARED = ["HS256"]
_PUBLIC = ["RS256", "PS256", "ES256", "EdDSA"]
_REQUIRED = ["exp", "iss", "aud", "sub"]
_REMEMBERED = 1024
_REMEMBERED_SECONDS = 60.0  # how long a key may be believed after its set has dropped it


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """How tokens are checked: by a development `secret` or by the keys at `jwks_url`, exactly one of the two."""

    issuer: str = ISSUER
    audience: str = AUDIENCE
    secret: str | None = field(default=None, repr=False)
    jwks_url: str | None = None
    leeway: float = 5.0  # seconds by which clocks may differ

    def __post_init__(self) -> None:
        if (self.secret is None) == (self.jwks_url is None):
            raise ConfigurationError(
                "HTTP needs a way to check tokens: set either http_secret (VERBWIRE_HTTP_SECRET, development) "
                "or http_jwks_url (VERBWIRE_HTTP_JWKS_URL)"
            )
        if self.secret is not None and len(self.secret.encode()) < MIN_SECRET:
            raise ConfigurationError(
                f"http_secret (VERBWIRE_HTTP_SECRET) is shorter than {MIN_SECRET} bytes: take `openssl rand -hex 32`"
            )


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody known, and what they may do."""

    actor: str
    scopes: frozenset[str]


class Authenticator:
    """Turns an Authorization header into a :class:`Principal`. Used on HTTP's loop only."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._keys = KeySet(settings.jwks_url) if settings.jwks_url else None
        self._known: dict[bytes, tuple[float, Principal]] = {}

    async def principal(self, authorization: str | None) -> Principal | None:
        """Return who the header's token speaks for, None when it speaks for nobody.

        Raises the 503 :class:`Problem` when the keys to check it with have never been reached.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        digest = hashlib.blake2b(token.encode(), digest_size=16).digest()
        until, principal = self._known.get(digest, (0.0, None))
        if principal is not None and time.time() < until:
            return principal
        try:
            claims = await self._claims(token)
        except jwt.PyJWTError:
            return None
        principal = _principal(claims)
        if principal is not None:
            self._remember(digest, int(claims["exp"]), principal)
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        key: Any = self._settings.secret
        if self._keys is not None:
            key = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
        return jwt.decode(
            token,
            key,
            algorithms=_SHARED if self._keys is None else _PUBLIC,
            issuer=self._settings.issuer,
            audience=self._settings.audience,
            leeway=self._settings.leeway,
            options={"require": _REQUIRED},
        )

    def _remember(self, digest: bytes, expires: int, principal: Principal) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = (min(expires, time.time() + _REMEMBERED_SECONDS), principal)


def _principal(claims: dict[str, Any]) -> Principal | None:
    actor, scope = claims["sub"], claims.get("scope", "")
    if not actor or not isinstance(scope, str):
        return None
    return Principal(actor, frozenset(scope.split()))


def refused() -> Problem:
    """Return 401: the same for every reason."""
    detail = "say who you are: send Authorization: Bearer with a valid token"
    return Problem(401, "unauthenticated", detail, {"WWW-Authenticate": 'Bearer realm="verbwire"'})


def require(principal: Principal, scope: str) -> None:
    """Raise 403 unless the principal has that scope."""
    if scope not in principal.scopes:
        challenge = f'Bearer realm="verbwire", error="insufficient_scope", scope="{scope}"'
        detail = f"your token lacks the scope {scope}: ask for one that has it"
        raise Problem(403, "forbidden", detail, {"WWW-Authenticate": challenge})


def mint_token(
    secret: str,
    actor: str,
    scopes: Sequence[str],
    seconds: float = 3600,
    *,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
) -> str:
    """Return a token for development, signed with the worker's own secret, valid for that many seconds."""
    AuthSettings(secret=secret)
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": actor,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + int(seconds),
    }
    return jwt.encode(claims, secret, algorithm=_SHARED[0])
