"""Makes and verifies grants: signed proof, beside a command, of on whose behalf it is sent.

Whoever may write to a topic of commands can write any actor and any scopes beside them. Where grants are required the
receiver believes those only by a header ``vw_grant`` of the same record::

    1.<expires, milliseconds since the epoch>.<HMAC-SHA256, base64 for URLs without padding>

The MAC is over audience, actor, scopes, id and expiry, and over the record's key and value. It is worth nothing for
another receiver, another command, or another payload; handed in again it is the same command under the same id, which
its receiver does once. The audience is the receiver: its namespace, behind the cluster's prefix.

A grant is short-lived by the *broker's* clock: what counts is when the broker took the record, which it writes itself
(LogAppendTime), not when the receiver comes to it. A receiver that is down for a week finds the grants as good as they
were; a record that is written again a day later has an old grant and a new timestamp.

Keys are derived, each from the one before (as in AWS's Signature Version 4): from the secret one for a receiver, an
actor and their scopes. Who holds the secret may speak for anybody; who is handed a derived key, for that actor with
those scopes to that receiver, and for nobody else. Receivers hold the secret: they could only deceive themselves, since
it is they who decide.
"""

from __future__ import annotations

import binascii
import hmac
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from verbwire import base64url
from verbwire.errors import ConfigurationError
from verbwire.security.netstrings import netstrings
from verbwire.wire.headers import GRANT_HEADER

LIFETIME_MS = 5 * 60_000
LONGEST_MS = 60 * 60_000  # from the record's timestamp on: what is good for longer is not short-lived
_VERSION = b"1"
_FORM = "verbwire-grant-key-1."
_LABEL = b"verbwire:grant"
_MAX_KEY = 20_000  # characters
_REMEMBERED_TEXT = 500  # characters of actor and scopes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a grant vouches for: the actor, its scopes and the receiver."""

    audience: str
    actor: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Key:
    """A key for one claim alone, as it is handed to a producer."""

    claim: Claim
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        """The key as text, for a setting. It is a secret."""
        parts = (self.claim.audience, self.claim.actor, list(self.claim.scopes), self.key)
        return _FORM + base64url.as_text(msgspec.json.encode(parts))

    @classmethod
    def of(cls, text: str) -> Key:
        """Return the key that a text is; :class:`ConfigurationError` for one that is none, which is not repeated."""
        try:
            if not text.startswith(_FORM) or len(text) > _MAX_KEY:
                raise ValueError
            data = msgspec.json.decode(
                base64url.from_text(text.removeprefix(_FORM)), type=tuple[str, str, list[str], bytes]
            )
        except (ValueError, binascii.Error, msgspec.MsgspecError):
            raise ConfigurationError(
                "grant_keys (VERBWIRE_GRANT_KEYS) holds what is no key: copy whole what `verbwire grant-key` prints"
            ) from None
        audience, actor, scopes, key = data
        return cls(Claim(audience, actor, tuple(scopes)), key)


def derive(secret: str, claim: Claim) -> bytes:
    """Return the key of a claim: 32 bytes."""
    for_receiver = hmac.digest(secret.encode(), _LABEL + netstrings(claim.audience.encode()), "sha256")
    actor, scopes = claim.actor.encode(), " ".join(sorted(claim.scopes)).encode()
    return hmac.digest(for_receiver, netstrings(actor, scopes), "sha256")


# Most commands of a receiver come from few senders. What strangers claim must not fill the memory.
_remembered = lru_cache(maxsize=4096)(derive)


def _derived(secret: str, claim: Claim) -> bytes:
    short = len(claim.actor) + sum(map(len, claim.scopes)) <= _REMEMBERED_TEXT
    return (_remembered if short else derive)(secret, claim)


def sign(key: bytes, id: str, record_key: bytes, value: bytes, expires_ms: int) -> bytes:
    """Return the header's value."""
    expires = b"%d" % expires_ms
    mac = _mac(key, id, record_key, value, expires)
    return b"%b.%b.%b" % (_VERSION, expires, base64url.as_bytes(mac))


@dataclass(frozen=True)
class Signer:
    """Makes grants: with derived keys for their claims, with a secret for any actor."""

    secret: str | None = field(default=None, repr=False)
    keys: Sequence[Key] = field(default=(), repr=False)
    lifetime_ms: int = LIFETIME_MS

    def may(self, claim: Claim) -> bool:
        """Whether it can sign this."""
        return self._key(claim) is not None

    def header(self, claim: Claim, id: str, record_key: bytes, value: bytes) -> tuple[str, bytes]:
        """Return the header that goes with a command; :class:`ConfigurationError` where it has no key for the claim."""
        key = self._key(claim)
        if key is None:
            raise ConfigurationError(
                f"commands to {claim.audience} have to carry a grant for {claim.actor or 'nobody'} "
                f"({' '.join(claim.scopes) or 'no scopes'}), and there is no key for it here: set grant_keys "
                "(VERBWIRE_GRANT_KEYS) to what `verbwire grant-key` prints where the secret is"
            )
        return GRANT_HEADER, sign(key, id, record_key, value, int(time.time() * 1000) + self.lifetime_ms)

    def _key(self, claim: Claim) -> bytes | None:
        wanted = (claim.audience, claim.actor, sorted(claim.scopes))
        for each in self.keys:
            if (each.claim.audience, each.claim.actor, sorted(each.claim.scopes)) == wanted:
                return each.key
        return None if self.secret is None else _derived(self.secret, claim)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a record presents: a claim, its grant if there is one, and what that has to be about."""

    claim: Claim
    grant: bytes | None
    id: str
    key: bytes
    value: bytes
    timestamp: int  # milliseconds since the epoch
    by_broker: bool = True  # whether the broker has written it


def fault(secrets: Iterable[str], presented: Presented) -> str | None:
    """Return what is wrong with a grant, in one word, None where it is good.

    ``missing``, ``false`` (none of these secrets has made it, for this), ``late`` (the broker took the record after it
    had expired), ``long-lived``, ``unstamped`` (the record's timestamp is its producer's own: nobody can tell).
    """
    if presented.grant is None:
        return "missing"
    version, _, rest = presented.grant.partition(b".")
    expires, _, mac = rest.partition(b".")
    if version != _VERSION or not (expires.isdigit() and len(expires) <= 15):
        return "false"
    if not any(_made_by(secret, presented, expires, mac) for secret in secrets):
        return "false"
    if not presented.by_broker:
        return "unstamped"
    left = int(expires) - presented.timestamp
    if left < 0:
        return "late"
    return "long-lived" if left > LONGEST_MS else None


def _made_by(secret: str, presented: Presented, expires: bytes, mac: bytes) -> bool:
    key = _derived(secret, presented.claim)
    wanted = _mac(key, presented.id, presented.key, presented.value, expires)
    return hmac.compare_digest(base64url.as_bytes(wanted), mac)


def _mac(key: bytes, id: str, record_key: bytes, value: bytes, expires: bytes) -> bytes:
    name = id.encode()
    head = b"%d.%d.%b." % (len(name), len(record_key), expires)
    return hmac.digest(key, head + name + record_key + value, "sha256")
