"""Waiting within a budget, until the worker is about to stop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from verbwire.http.base.interruptible_waits import InterruptibleWaits


async def waited(waits: InterruptibleWaits, seconds: float) -> float:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with waits.within(seconds):
            await asyncio.sleep(30)
    return time.monotonic() - began


def test_a_wait_ends_when_its_time_is_over() -> None:
    assert 0.05 <= asyncio.run(waited(InterruptibleWaits(), 0.05)) < 5


def test_every_wait_ends_at_once_when_the_worker_stops() -> None:
    async def run() -> list[float]:
        waits = InterruptibleWaits()
        threading.Timer(0.05, waits.end).start()
        return [*await asyncio.gather(waited(waits, 20), waited(waits, 20)), await waited(waits, 20)]

    assert max(asyncio.run(run())) < 5


def test_a_wait_for_what_is_there_already_returns_at_once() -> None:
    async def run() -> str:
        waits = InterruptibleWaits()
        async with waits.within(20):
            return "answer"

    assert asyncio.run(run()) == "answer"


def test_a_worker_that_never_waited_may_stop() -> None:
    InterruptibleWaits().end()
