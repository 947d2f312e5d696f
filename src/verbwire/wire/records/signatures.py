"""Signs records and verifies them: their writer and time are known without trusting all who may write the topic.

Two headers stand beside the record, so that its value is what its contract says: ``vw_signed_at``, in milliseconds
since the epoch by the broker's clock as the writer knows it, and ``vw_signature``, of the topic, the key, that time and
the value. A record is therefore worth nothing in another topic (of another project, or prefix), under another key, or
much later than it was written: its reader compares the time that is signed with the broker's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from verbwire.security.netstrings import netstrings
from verbwire.wire.headers import RawHeaders

SIGNED_AT = "vw_signed_at"
SIGNATURE = "vw_signature"
_LABEL = b"verbwire:signed-record"
_DIGITS = 15  # of milliseconds: enough for thirty thousand years

Sign: TypeAlias = Callable[[bytes], bytes]
"""Returns the signature of some bytes."""

Verify: TypeAlias = Callable[[bytes, bytes], bool]
"""Whether the second is the signature of the first."""


class UnsignedError(Exception):
    """A record is not signed, or with another key."""


def signed(sign: Sign, topic: str, key: bytes, value: bytes | None, at_ms: int) -> RawHeaders:
    """Return the headers that sign a record; a value of None, which takes back what was said, is signed as well."""
    return [(SIGNED_AT, b"%d" % at_ms), (SIGNATURE, sign(_said(topic, key, value, at_ms)))]


def signed_at(
    verify: Verify, topic: str, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] | None
) -> int:
    """Return when a record was signed, in milliseconds; :class:`UnsignedError`, which says why, where it was not."""
    found = {name: each for name, each in headers or () if name in (SIGNED_AT, SIGNATURE) and each is not None}
    if len(found) < 2:
        raise UnsignedError("it is not signed")
    digits = found[SIGNED_AT]
    if not (digits.isdigit() and len(digits) <= _DIGITS):
        raise UnsignedError("it does not say when it was signed")
    if not verify(_said(topic, key, value, int(digits)), found[SIGNATURE]):
        raise UnsignedError("it is signed with another key")
    return int(digits)


def _said(topic: str, key: bytes, value: bytes | None, at_ms: int) -> bytes:
    """Return what is signed."""
    return netstrings(_LABEL, topic.encode(), key, b"%d" % at_ms, b"gone" if value is None else b"said", value or b"")
