"""Bytes from anybody: the compiled codec reads what the reference reads, or nothing, and never past the end."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.attack.trying import tried
from tests.platform.both_codecs import compiled_or_none, read_by_both
from tests.platform.notes import CATALOG, COMMAND, EVENT, ROW
from verbwire.errors import UndecodableError
from verbwire.messages import Message
from verbwire.wire import compiled
from verbwire.wire.avro import Encoder, Reader

pytestmark = [
    pytest.mark.attack,
    pytest.mark.skipif(not compiled.AVAILABLE, reason="no C compiler has built the compiled codec here"),
]

SECONDS = float(os.environ.get("ATTACK_SECONDS", "30"))  # for each message
ODD = (0, 1, 2, 3, 4, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
RUNS = (b"\xff" * 9 + b"\x01", b"\x80" * 11, b"\xfe\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"")


def spoilt(chance: random.Random, value: bytes) -> bytes:
    found = bytearray(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(5, len(found) + 1)
        match chance.randrange(6):
            case 0 | 1 if at < len(found):
                found[at] = chance.choice(ODD) if chance.random() < 0.5 else chance.randrange(256)
            case 2:
                found[at:at] = chance.choice(RUNS)
            case 3:
                del found[at : at + chance.randrange(1, 9)]
            case 4:
                other = chance.randrange(5, len(found) + 1)
                found[at:at] = found[other : other + chance.randrange(32)]
            case _:
                found += found[at:]
    return bytes(found)


@pytest.mark.parametrize("message", [COMMAND, EVENT, ROW])
def test_spoilt_bytes(message: Message) -> None:
    contract, chance = CATALOG.of(message), random.Random(7)  # noqa: S311 (to be tried again)
    reader = Reader(contract, type(message), contract.schema)
    values = [Encoder(contract, 7)(message)]
    read = by_compiled = 0
    until = time.monotonic() + SECONDS
    with tried(f"spoilt bytes of {contract.name}", most_mb=20) as t:
        while time.monotonic() < until:
            value = spoilt(chance, chance.choice(values))
            t.inputs += 1
            by_compiled += compiled_or_none(reader._compiled, value) is not None
            try:
                read_by_both(reader, value)
            except UndecodableError:
                continue
            read += 1
            if len(values) < 500:
                values.append(value)  # so that what is tried goes further from where it began
        t.told = f"{read:,} were messages, {by_compiled:,} of them without the reference"
