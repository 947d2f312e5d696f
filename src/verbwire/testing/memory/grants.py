"""Grants by the clock in memory: signed and checked with a secret that nobody else has."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property

from verbwire.testing.memory.clock import MemoryClock
from verbwire.wire.grants.grants import LIFETIME_MS, Claim, Signer, derive, sign
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import GRANT_HEADER


@dataclass(frozen=True)
class MemorySigner(Signer):
    """Signs for anybody; its grants expire by the clock in memory."""

    clock: MemoryClock | None = None

    def header(self, claim: Claim, id: str, record_key: bytes, value: bytes) -> tuple[str, bytes]:
        """Return the header that goes with a command."""
        assert self.clock is not None  # noqa: S101 (given by MemoryGrants)
        key = derive(self.secret or "", claim)
        return GRANT_HEADER, sign(key, id, record_key, value, self.clock.now_ms() + self.lifetime_ms)


class MemoryGrants(Grants):
    """The project's rule of grants, with a secret made for this run."""

    def __init__(self, mode: str, clock: MemoryClock) -> None:
        self._secret = secrets.token_hex(32)
        self._clock = clock
        super().__init__(mode, lambda: (self._secret,))

    @cached_property
    def signer(self) -> Signer:
        """Return what signs."""
        return MemorySigner(self._secret, (), LIFETIME_MS, self._clock)
