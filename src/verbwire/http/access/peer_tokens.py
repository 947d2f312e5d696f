"""Tokens between workers: each is for one request at one worker, on behalf of its principal.

Such a token says whom it is for by the name and the address of the worker asked, and what it is for by a digest of the
request: its method, path, query and every header that changes the answer. Stolen, it opens nothing else,
and for half a minute it repeats at the same worker a question that changes nothing, which is why it carries no nonce.

After DPoP (RFC 9449: a proof bound to one request), HTTP Message Signatures (RFC 9421: the parts that are covered) and
KIP-507 (workers that sign what they ask each other with a key that only they have).
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

import jwt
from starlette.types import Scope

from verbwire import base64url
from verbwire.security.tokens import ALGORITHMS, INTERNAL_AUDIENCE, ISSUER, require_secret, sign
from verbwire.wire.freshness import HEADER as FRESHNESS
from verbwire.wire.positions import HEADER as POSITION
from verbwire.wire.records.workers import WorkerRecord

FORWARDED = "Verbwire-Forwarded"  # the asking worker's name; goes with such a token, and only with one
PARTITIONS = "Verbwire-Partitions"  # those that are asked for, between workers
GENERATION = "Verbwire-Generation"  # likewise: of a table that may have been rebuilt
SECONDS = 30
_LEEWAY = 5.0  # by which the clocks of two workers may differ
_COVERED = tuple(name.lower().encode() for name in (FORWARDED, PARTITIONS, GENERATION, POSITION, FRESHNESS, "Prefer"))
_LABEL = "verbwire:peer-token"
_REQUIRED = ["iss", "aud", "sub", "iat", "exp", "req"]


class PeerTokens:
    """Makes and checks them for the worker of this name. `secret` is the one that the workers of a project share."""

    def __init__(self, secret: str, name: str) -> None:
        self._key = sign(require_secret(secret, "http_internal_secret"), _LABEL, b"")
        self._name = name
        self._audience = ""  # none, until this worker is reached somewhere

    def reached_at(self, url: str) -> None:
        """Accept, from now on, what is meant for this worker at that address: the one that it announces."""
        self._audience = _audience(self._name, url)

    def mint(
        self, peer: WorkerRecord, actor: str, scopes: list[str], method: str, target: str, headers: dict[str, str]
    ) -> str:
        """Return a token that lets `peer`, and no other worker, answer this request on the actor's behalf."""
        now = int(time.time())
        covered = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        claims = {
            "iss": ISSUER,
            "aud": _audience(peer.name, peer.url),
            "sub": actor,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + SECONDS,
            "req": _digest(method, target.encode("ascii"), covered),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHMS[0])

    def read(self, token: str, scope: Scope) -> dict[str, Any]:
        """Return the claims of a token that came with this request; ``jwt.PyJWTError`` where it is not for it."""
        claims: dict[str, Any] = jwt.decode(
            token,
            self._key,
            algorithms=ALGORITHMS,
            issuer=ISSUER,
            audience=self._audience,
            leeway=_LEEWAY,
            options={"require": _REQUIRED},
        )
        if claims["exp"] - claims["iat"] > SECONDS:
            raise jwt.InvalidTokenError("it is good for too long")
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        if _has_body(scope) or claims["req"] != _digest(scope["method"], target, scope["headers"]):
            raise jwt.InvalidTokenError("it is for another request")
        return claims


def _audience(name: str, url: str) -> str:
    return f"{INTERNAL_AUDIENCE} {name} {url}"


def _digest(method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> str:
    """Return the digest of what decides the answer: workers pass on requests without a body alone."""
    lines = [method.encode("ascii"), target]
    lines += sorted(name + b": " + value for name, value in headers if name in _COVERED)
    return base64url.as_text(sha256(b"\n".join(lines)).digest())


def _has_body(scope: Scope) -> bool:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")) for name, value in headers
    )
