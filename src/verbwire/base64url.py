"""Bytes as text that may stand in a URL, a header or a setting: base64url without padding (RFC 7515, section 2)."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode


def as_bytes(data: bytes) -> bytes:
    """Return the text, in ASCII."""
    return urlsafe_b64encode(data).rstrip(b"=")


def as_text(data: bytes) -> str:
    """Return the text."""
    return as_bytes(data).decode("ascii")


def from_text(text: str) -> bytes:
    """Return the bytes of a text; ValueError for what is none."""
    return b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
