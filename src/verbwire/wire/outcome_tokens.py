"""Outcome tokens: everything needed to find what became of one command, as text that survives its process.

A token is a claim, not a proof: who lets strangers hand tokens in (HTTP) signs them.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Any

import msgspec

from verbwire import base64url
from verbwire.errors import UndecodableError

_VERSION = 1
_CHECK_BYTES = 4
_MAX_TEXT = 2_000  # an id has 200 characters at most, a full name is shorter than a topic's


class OutcomeToken(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Where a command lies, and how its outcome is recognised."""

    version: int = _VERSION
    command: str  # full name of its contract
    partition: int
    offset: int
    timestamp: int  # the record's, in milliseconds since the epoch: the broker's clock
    id: str
    fingerprint: bytes

    @property
    def namespace(self) -> str:
        """The receiver: names the topics of the command and of its outcome."""
        return self.command.rpartition(".")[0]

    def encode(self) -> str:
        """Return the token as text that may stand in a URL; what was mistyped or cut off is noticed."""
        body = _encoder.encode(self)
        return base64url.as_text(body + _check(body))

    @classmethod
    def decode(cls, text: str) -> OutcomeToken:
        """Return the token of a text; :class:`UndecodableError` when it is none."""
        try:
            if len(text) > _MAX_TEXT:
                raise ValueError(f"it has {len(text)} characters")
            data = base64url.from_text(text)
            body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
            if _check(body) != check:
                raise ValueError("its check sum is wrong")
            token: OutcomeToken = _decoder.decode(body)
            if token.version != _VERSION:
                raise ValueError(f"it is of version {token.version}, this verbwire reads {_VERSION}")
        except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
            raise UndecodableError(f"{text[:40]!r} is not a token of an outcome, copy it whole: {error}") from error
        return token


def _check(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES, person=b"vw-outcome").digest()


_encoder = msgspec.msgpack.Encoder()
_decoder: Any = msgspec.msgpack.Decoder(OutcomeToken)
