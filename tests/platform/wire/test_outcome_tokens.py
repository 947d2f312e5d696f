"""Outcome tokens: text that survives its process, and nothing but a whole one is read."""

from __future__ import annotations

import re

import msgspec
import pytest

from verbwire.errors import UndecodableError
from verbwire.wire.outcome_tokens import OutcomeToken

TOKEN = OutcomeToken(
    command="shop.orders.PlaceOrder",
    partition=11,
    offset=2**40,
    timestamp=1_764_000_000_123,
    id="~" * 200,
    fingerprint=bytes(range(16)),
)


def test_a_token_comes_back_and_may_stand_in_a_url() -> None:
    text = TOKEN.encode()
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert OutcomeToken.decode(text) == TOKEN
    assert TOKEN.namespace == "shop.orders"


def test_a_token_that_is_not_whole_is_refused() -> None:
    text = TOKEN.encode()
    swapped = text[:10] + ("A" if text[10] != "A" else "B") + text[11:]
    for wrong in ("", "x", "ü", "==", text[:-1], text + "A", text + "\n", swapped, "A" * 10_000):
        with pytest.raises(UndecodableError, match="not a token of an outcome"):
            OutcomeToken.decode(wrong)


def test_a_token_of_another_version_is_refused() -> None:
    with pytest.raises(UndecodableError, match="version 2"):
        OutcomeToken.decode(msgspec.structs.replace(TOKEN, version=2).encode())
