"""Avro as JSON, the way every answer writes it.

Integers and floats are numbers while any reader gets them right (:mod:`verbwire.wire.json.numbers`). Decimals are
strings, bytes base64, times RFC 3339 in UTC with Z, enums their text, a union's value stands without a tag, save for
numbers that would be taken for its text.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from verbwire.contracts.schema.model import Contract, SharedType
from verbwire.wire.json.numbers import writer

_encode = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical").encode


def encoder(contract: Contract | SharedType) -> Callable[[Any], bytes]:
    """Return what writes messages of this contract, or plain records; those without wide numbers take the short way."""
    change = writer(contract.tree)
    if change is None:
        return _encode
    return lambda message: _encode(change(msgspec.to_builtins(message, builtin_types=(Decimal,))))


def encode(value: Any) -> bytes:
    """Write an answer of ours, whose numbers are small."""
    return _encode(value)
