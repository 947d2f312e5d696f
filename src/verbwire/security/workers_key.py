"""The key pair of a project's workers: what they announce is signed, so that readers know whose it is.

Ed25519 (RFC 8032). The private key is derived from the workers' secret, so nothing has to be made or kept beside it;
the public one may be given to clients, who must not have the secret. It is written as in a JWK (RFC 8037, section 2):
32 bytes, base64url without padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verbwire import base64url
from verbwire.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_BYTES = 32
_TEXT = 43  # characters of so many bytes


class SigningKey:
    """The private key, which every worker of a project derives from the same secret. From any thread."""

    def __init__(self, seed: bytes) -> None:
        """Make the key of these 32 bytes, which only the workers may know."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key: Ed25519PrivateKey = Ed25519PrivateKey.from_private_bytes(seed)

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes that vouch for `data`."""
        return self._key.sign(data)

    def public(self) -> str:
        """Return the public key as the setting ``http_workers_key`` takes it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64url.as_text(raw)


class VerifyingKey:
    """The public key, by which signatures are told from others. From any thread."""

    def __init__(self, text: str) -> None:
        """Read what :meth:`SigningKey.public` wrote; ConfigurationError where it is something else."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        require_workers_key(text)
        self._key: Ed25519PublicKey = Ed25519PublicKey.from_public_bytes(base64url.from_text(text))

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is :meth:`SigningKey.sign`'s of the same `data`, by the other half of this key."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def require_workers_key(text: str) -> None:
    """Raise ConfigurationError where a text is no public key, without reading it any further."""
    try:
        right = len(text) == _TEXT and len(base64url.from_text(text)) == _BYTES
    except ValueError:
        right = False
    if not right:
        raise ConfigurationError(
            f"http_workers_key (VERBWIRE_HTTP_WORKERS_KEY) is no public key of {_TEXT} characters: take what "
            "`verbwire workers-key` prints where the workers' secret is"
        )
