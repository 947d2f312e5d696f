"""Strangers' connections: many more than there are places, all of them half-spoken."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, suppress

import pytest

from tests.attack.trying import tried
from tests.kit.http import Http, serving
from tests.platform.http.serving.test_connections import STORIES, connected
from tests.platform.http.serving.test_limits import request
from verbwire.http.base.limits import ConnectionLimits

pytestmark = pytest.mark.attack

SECONDS = 20
SLOWEST = 2.0  # seconds that anybody else's request may take meanwhile
ASKED = {
    request("GET /health/live HTTP/1.1", "Connection: close"): b"HTTP/1.1 200",
    request("GET /tables HTTP/1.1", "Connection: close"): b"HTTP/1.1 401",
}


def test_half_spoken_connections_without_end() -> None:
    with (
        serving() as http,
        tried("half-spoken connections, as many as there are places, again and again", None, 64) as t,
    ):
        slowest, began = 0.0, time.monotonic()
        while time.monotonic() - began < SECONDS:
            with ExitStack() as held:
                for _ in range(ConnectionLimits().connections):
                    held.enter_context(connected(http, *random.choice([*STORIES.values()])))  # noqa: S311
                    t.inputs += 1
                slowest = max(slowest, *(answered(http, *each) for each in ASKED.items()))
        t.told = f"the slowest answer to somebody else took {slowest * 1000:.0f} ms"
        assert slowest < SLOWEST


def test_bytes_that_are_no_requests() -> None:
    dice = random.Random(20260101)  # noqa: S311
    with serving() as http, tried("random and mutilated bytes", None, 64) as t:
        for _ in range(3000):
            sent = bytearray(
                request("GET /tables/a?b=c HTTP/1.1", "Content-Length: 3", "Authorization: Bearer x") + b"abc"
            )
            for _ in range(dice.randint(0, 6)):
                sent[dice.randrange(len(sent))] = dice.randrange(256)
            with connected(http, bytes(sent[: dice.randint(1, len(sent))])), suppress(OSError):
                t.inputs += 1
        for each in ASKED.items():
            answered(http, *each)


def answered(http: Http, asked: bytes, expected: bytes) -> float:
    """Ask, check the answer, and return how many seconds it took."""
    began = time.monotonic()
    assert http.raw(asked).startswith(expected)
    return time.monotonic() - began
