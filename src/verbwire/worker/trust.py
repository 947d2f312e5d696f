"""Authenticates the workers of a project to each other: everything that derives from their shared secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from verbwire.http.access.peer_tokens import PeerTokens
from verbwire.secrets import internal_secret, signing_key
from verbwire.security.workers_key import VerifyingKey
from verbwire.settings import Settings
from verbwire.wire.records.signatures import Sign, Verify


@dataclass(frozen=True)
class Trust:
    """What a worker announces itself with, tells the others by, and shows them; nothing of it where no secret is."""

    sign: Sign | None = None
    verify: Verify | None = None
    tokens: PeerTokens | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return that of this worker."""
        secret = internal_secret(settings)
        if secret is None:
            return cls()
        key = signing_key(secret)
        return cls(key.sign, VerifyingKey(key.public()).verify, PeerTokens(secret, settings.worker))
