"""Completions: settled by one thread, awaited in the loops of others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import pytest

from verbwire.client.base.completion import Completion


class Settled(Completion):
    """A completion that a test settles."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes = None
        self.settled = False

    def done(self) -> bool:
        return self.settled

    def settle(self) -> None:
        with self._lock:
            self.settled = True
            wakes = self._settled()
        for wake in wakes:
            wake()

    async def arrived(self) -> None:
        await _Awaited(self)


def _settle(some: list[Settled]) -> None:
    for each in some:
        each.settle()


class _Awaited:
    def __init__(self, completion: Completion) -> None:
        self._completion = completion

    def __await__(self) -> Generator[Any, None, None]:
        yield from self._completion.arrival()


def test_completions_that_come_together_wake_their_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[object]()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        call = loop.call_soon_threadsafe

        def noting(*given: Any) -> Any:
            calls.append(given)
            return call(*given)

        monkeypatch.setattr(loop, "call_soon_threadsafe", noting)
        waited = [Settled() for _ in range(50)]
        tasks = [asyncio.create_task(each.arrived()) for each in waited]
        await asyncio.sleep(0)
        for each in waited:
            each.settle()  # as another thread does, while the loop has no turn
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
        late = Settled()
        task = asyncio.create_task(late.arrived())
        await asyncio.sleep(0)
        thread = threading.Thread(target=late.settle)
        thread.start()
        async with asyncio.timeout(10):
            await task
        thread.join()

    asyncio.run(run())
    assert len(calls) == 2


def test_completions_wake_every_loop_from_many_threads() -> None:
    async def run() -> None:
        for _ in range(20):
            waited = [Settled() for _ in range(100)]
            tasks = [asyncio.create_task(each.arrived()) for each in waited]
            await asyncio.sleep(0)
            threads = [threading.Thread(target=_settle, args=(waited[n::4],)) for n in range(4)]
            for each in threads:
                each.start()
            async with asyncio.timeout(30):
                await asyncio.gather(*tasks)
            for each in threads:
                each.join()

    loops = [threading.Thread(target=asyncio.run, args=(run(),)) for _ in range(2)]
    for each in loops:
        each.start()
    for each in loops:
        each.join()


def test_completions_settled_without_the_lock_wake_who_was_about_to_enter() -> None:
    settled, woken = Settled(), list[str]()
    looks = iter([False])

    def done() -> bool:
        if next(looks, True):
            return settled.settled
        settled.settled = True  # settled as soon as somebody has looked; he has seen nobody who waits
        return False

    settled.done = done  # type: ignore[method-assign]
    settled.when_done(lambda: woken.append("here"))
    assert woken == ["here"]
