"""Authenticates requests: bearer tokens (RFC 6750), JWTs (RFC 7519) verified by PyJWT with fixed algorithms.

A token says who someone is only when its signature, issuer, audience, expiry and subject all hold; there is one answer
for every way in which they do not, and it takes the same time, so that refusals teach nothing.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from starlette.types import Scope

from verbwire.errors import ConfigurationError
from verbwire.http.access.issuer import require_encrypted
from verbwire.http.access.jwks import KeyRefresh, KeySet
from verbwire.http.access.peer_tokens import PeerTokens
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.principal import NOBODY, Principal
from verbwire.security.tokens import ALGORITHMS, AUDIENCE, INTERNAL_AUDIENCE, ISSUER, require_secret
from verbwire.wire.headers import MAX_ACTOR, MAX_SCOPES

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
    refresh: KeyRefresh = KeyRefresh()

    def __post_init__(self) -> None:
        if (self.secret is None) == (self.jwks_url is None):
            raise ConfigurationError(
                "HTTP needs a way to verify tokens: set either http_secret (VERBWIRE_HTTP_SECRET, development) "
                "or http_jwks_url (VERBWIRE_HTTP_JWKS_URL)"
            )
        if self.secret is not None:
            require_secret(self.secret)
        require_encrypted(self.issuer, "http_issuer")
        if self.audience.startswith(INTERNAL_AUDIENCE):
            raise ConfigurationError(
                f"http_audience (VERBWIRE_HTTP_AUDIENCE) begins with {INTERNAL_AUDIENCE}, which workers use themselves"
            )


class Authenticator:
    """Turns an Authorization header into a :class:`Principal`. Used on HTTP's loop only.

    `peers` are the tokens by which the workers of this project know each other; None where they do not.
    """

    def __init__(self, settings: AuthSettings, peers: PeerTokens | None = None) -> None:
        self._settings = settings
        self._peers = peers
        self._keys = KeySet(settings.jwks_url, settings.refresh) if settings.jwks_url else None
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def known(self, authorization: str | None) -> Principal | None:
        """Return the principal of a token that was checked less than a minute ago, and has not expired since."""
        if authorization is None:
            return None
        until, principal = self._known.get(_digest(authorization), (0.0, None))
        return principal if time.time() < until else None

    async def principal(self, authorization: str | None) -> Principal | None:
        """Return the principal of the header's token, None when it is missing or invalid.

        Raises the 503 :class:`HttpProblem` when the keys to check it with have never been reached.
        """
        token = _bearer(authorization)
        if token is None or authorization is None:
            return None
        if (principal := self.known(authorization)) is not None:
            return principal
        try:
            claims = await self._claims(token)
        except jwt.PyJWTError:
            return None
        principal = _principal(claims)
        if principal is not None:
            self._remember(_digest(authorization), int(claims["exp"]), principal)
        return principal

    def on_behalf(self, authorization: str | None, scope: Scope) -> Principal | None:
        """Return for whom another worker of this project asks with this request, None when it is no such worker."""
        token = _bearer(authorization)
        if token is None or self._peers is None:
            return None
        try:
            claims = self._peers.read(token, scope)
        except jwt.PyJWTError:
            return None
        return _principal(claims) if claims["sub"] else NOBODY

    async def _claims(self, token: str) -> dict[str, Any]:
        key: Any = self._settings.secret
        if self._keys is not None:
            key = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS if self._keys is None else _PUBLIC,
            issuer=self._settings.issuer,
            audience=self._settings.audience,
            leeway=self._settings.leeway,
            options={"require": _REQUIRED},
        )
        return claims

    def _remember(self, digest: bytes, expires: int, principal: Principal) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = (min(expires, time.time() + _REMEMBERED_SECONDS), principal)


def _digest(authorization: str) -> bytes:
    """Return what a token is remembered by: the token itself is in memory only while its request is."""
    return hashlib.blake2b(authorization.encode("latin-1"), digest_size=16).digest()


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def _principal(claims: dict[str, Any]) -> Principal | None:
    actor, scope = claims["sub"], claims.get("scope", "")
    if not actor or len(actor) > MAX_ACTOR or not actor.isprintable():
        return None
    if not isinstance(scope, str) or len(scope) > MAX_SCOPES or not scope.isprintable():
        return None
    return Principal(actor, scope.split())


def refused() -> HttpProblem:
    """Return 401: the same for every reason."""
    detail = "authentication is required: send Authorization: Bearer with a valid token"
    return HttpProblem(problem_types.UNAUTHENTICATED, detail, {"WWW-Authenticate": 'Bearer realm="verbwire"'})


def require(principal: Principal, scope: str) -> None:
    """Raise 403 unless the principal has that scope."""
    if scope not in principal.scopes:
        challenge = f'Bearer realm="verbwire", error="insufficient_scope", scope="{scope}"'
        detail = f"your token lacks the scope {scope}: get one that has it"
        raise HttpProblem(problem_types.FORBIDDEN, detail, {"WWW-Authenticate": challenge})
