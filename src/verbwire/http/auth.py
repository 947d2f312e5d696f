"""Who asks: bearer tokens (RFC 6750), JWTs (RFC 7519) checked by PyJWT with algorithms that are fixed here.

A token says who someone is only when its signature, issuer, audience, expiry and subject all hold; there is one answer
for every way in which they do not, and it takes the same time, so that refusals teach nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from verbwire.errors import ConfigurationError
from verbwire.http.issuer import require_encrypted
from verbwire.http.jwks import KeySet
from verbwire.http.problem import Problem
from verbwire.tokens import ALGORITHMS, AUDIENCE, INTERNAL, ISSUER, require_secret
from verbwire.wire.headers import MAX_ACTOR

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
    internal: str | None = field(default=None, repr=False)  # by which the workers of a project know each other
    leeway: float = 5.0  # seconds by which clocks may differ

    def __post_init__(self) -> None:
        if (self.secret is None) == (self.jwks_url is None):
            raise ConfigurationError(
                "HTTP needs a way to check tokens: set either http_secret (VERBWIRE_HTTP_SECRET, development) "
                "or http_jwks_url (VERBWIRE_HTTP_JWKS_URL)"
            )
        if self.secret is not None:
            require_secret(self.secret)
        require_encrypted(self.issuer, "http_issuer")
        if self.audience == INTERNAL:
            raise ConfigurationError(
                f"http_audience (VERBWIRE_HTTP_AUDIENCE) is {INTERNAL}: workers use that themselves"
            )


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody known, and what they may do."""

    actor: str
    scopes: frozenset[str]


NOBODY = Principal("", frozenset())
"""Who asks without saying who; only where a contract is public."""


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
        return await self._found(authorization, b"", self._claims, _principal)

    async def on_behalf(self, authorization: str | None) -> Principal | None:
        """Return for whom another worker of this project asks, None when it is no such worker."""
        return await self._found(authorization, b"internal", self._internal_claims, _on_behalf)

    async def _found(
        self,
        authorization: str | None,
        sort: bytes,
        read: Callable[[str], Awaitable[dict[str, Any]]],
        understand: Callable[[dict[str, Any]], Principal | None],
    ) -> Principal | None:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        digest = hashlib.blake2b(token.encode(), digest_size=16, person=sort).digest()
        until, principal = self._known.get(digest, (0.0, None))
        if principal is not None and time.time() < until:
            return principal
        try:
            claims = await read(token)
        except jwt.PyJWTError:
            return None
        principal = understand(claims)
        if principal is not None:
            self._remember(digest, int(claims["exp"]), principal)
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        key: Any = self._settings.secret
        if self._keys is not None:
            key = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
        algorithms = ALGORITHMS if self._keys is None else _PUBLIC
        settings = self._settings
        return _decoded(token, key, algorithms, settings.issuer, settings.audience, settings.leeway)

    async def _internal_claims(self, token: str) -> dict[str, Any]:
        if self._settings.internal is None:
            raise jwt.InvalidKeyError("workers do not know each other here")
        return _decoded(token, self._settings.internal, ALGORITHMS, ISSUER, INTERNAL, self._settings.leeway)

    def _remember(self, digest: bytes, expires: int, principal: Principal) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = (min(expires, time.time() + _REMEMBERED_SECONDS), principal)


def _decoded(
    token: str, key: Any, algorithms: Sequence[str], issuer: str, audience: str, leeway: float
) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=algorithms,
        issuer=issuer,
        audience=audience,
        leeway=leeway,
        options={"require": _REQUIRED},
    )


def _principal(claims: dict[str, Any]) -> Principal | None:
    actor, scope = claims["sub"], claims.get("scope", "")
    if not actor or len(actor) > MAX_ACTOR or not actor.isprintable():
        return None
    if not isinstance(scope, str) or not scope.isprintable():
        return None
    return Principal(actor, frozenset(scope.split()))


def _on_behalf(claims: dict[str, Any]) -> Principal | None:
    return _principal(claims) if claims["sub"] else NOBODY


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
