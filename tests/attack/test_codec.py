"""Bytes from anybody: the compiled codec reads what the reference reads, or nothing, and never past the end."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.attack.trying import tried
from tests.kit.both_codecs import compiled_or_none, read_by_both, spoilt
from tests.kit.notes import CATALOG, COMMAND, EVENT, ROW
from verbwire.errors import UndecodableError
from verbwire.messages import Message
from verbwire.wire.avro import compiled
from verbwire.wire.avro.messages import Encoder, Reader

pytestmark = [
    pytest.mark.attack,
    pytest.mark.skipif(not compiled.AVAILABLE, reason="no C compiler has built the compiled codec here"),
]

SECONDS = float(os.environ.get("ATTACK_SECONDS", "30"))  # for each message


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
