"""The grants that the settings configure."""

from __future__ import annotations

from verbwire.secrets import grant_secrets
from verbwire.settings import Settings
from verbwire.wire.grants.grants import LIFETIME_MS
from verbwire.wire.grants.policy import Grants


def grants_of(settings: Settings, delivery_seconds: float = 0.0) -> Grants:
    """Return the rule; a message may wait for so long in its producer before Kafka takes it."""
    lifetime = LIFETIME_MS + round(delivery_seconds * 1000)
    return Grants(settings.grants, lambda: grant_secrets(settings), settings.grant_keys, lifetime)
