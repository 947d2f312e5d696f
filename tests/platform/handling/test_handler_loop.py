"""The loop of asynchronous handlers: what they return and raise, resources before the first and after the last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from verbwire import Resource, resource
from verbwire.errors import ClosedError, ConfigurationError, ContractError, Requeue
from verbwire.handling.handler_loop import HandlerLoop

WHO: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture
def loop() -> Iterator[HandlerLoop]:
    opened = HandlerLoop()
    yield opened
    opened.close()


async def told(value: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(value, BaseException):
        raise value
    return value


def test_a_handler_that_is_awaited_returns_what_it_returns_in_its_callers_context(loop: HandlerLoop) -> None:
    async def who() -> tuple[str, str]:
        return WHO.get(), threading.current_thread().name

    assert loop.settled(7) == 7
    assert loop.settled(told(7)) == 7
    token = WHO.set("ann")
    try:
        assert loop.settled(who()) == ("ann", "handlers")
    finally:
        WHO.reset(token)


@pytest.mark.parametrize(
    ("raised", "arrives"),
    [
        (ValueError("x"), ValueError),
        (SystemExit(3), RuntimeError),
        (asyncio.CancelledError(), RuntimeError),
        (Requeue("later"), Requeue),
    ],
)
def test_a_handler_that_is_awaited_ends_neither_the_loop_nor_the_program(
    loop: HandlerLoop, raised: BaseException, arrives: type[BaseException]
) -> None:
    with pytest.raises(arrives):
        loop.settled(told(raised))
    assert loop.settled(told(7)) == 7


def test_a_handler_that_is_still_awaited_when_the_worker_ends_is_requeued_and_nothing_begins_any_more() -> None:
    loop, began, ended = HandlerLoop(), threading.Event(), list[str]()

    async def endless() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    def call() -> None:
        try:
            loop.settled(endless())
        except Requeue:
            ended.append("requeued")

    caller = threading.Thread(target=call)
    caller.start()
    assert began.wait(5)
    loop.close()
    caller.join(5)
    assert ended == ["cancelled", "requeued"]
    late = told(7)
    with pytest.raises(ClosedError):
        loop.begin(late)
    late.close()


def two(happened: list[str], **fails: bool) -> list[Resource[Any]]:
    @resource
    async def pool() -> AsyncIterator[asyncio.AbstractEventLoop]:
        happened.append("pool opens")
        yield asyncio.get_running_loop()
        happened.append("pool closes")

    @resource
    def file() -> Iterator[str]:
        assert pool.value
        if fails.get("opening"):
            raise OSError("no such folder")
        happened.append("file opens")
        yield threading.current_thread().name
        happened.append("file closes")
        if fails.get("closing"):
            raise OSError("the disk is full")

    return [pool, file]


def test_resources_are_open_one_after_another_and_closed_the_other_way_round() -> None:
    loop, happened = HandlerLoop(), list[str]()
    pool, file = two(happened)
    with pytest.raises(ConfigurationError, match=r"two.<locals>.pool is not open: workers open it that host"):
        _ = pool.value
    loop.open([pool, file])
    assert loop.settled(told(pool.value)) is pool.value  # the loop in which handlers run
    assert "handlers" not in file.value  # which a plain function must not block
    happened.append("handled")
    loop.close()
    assert happened == ["pool opens", "file opens", "handled", "file closes", "pool closes"]
    assert (pool.is_open, file.is_open) == (False, False)


def test_resources_close_after_the_last_handler_is_back() -> None:
    loop, happened, began = HandlerLoop(), list[str](), threading.Event()

    async def endless() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            happened.append("handler ends")

    loop.open(two(happened)[:1])
    loop.begin(endless())
    assert began.wait(5)
    loop.close()
    assert happened == ["pool opens", "handler ends", "pool closes"]


def test_a_resource_that_does_not_open_ends_the_start_with_its_name_and_those_before_it_are_closed() -> None:
    loop, happened = HandlerLoop(), list[str]()
    try:
        with pytest.raises(ConfigurationError, match=r"two.<locals>.file did not open: OSError: no such folder"):
            loop.open(two(happened, opening=True))
    finally:
        loop.close()
    assert happened == ["pool opens", "pool closes"]


def test_a_resource_that_does_not_close_is_logged_and_those_before_it_are_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, happened = HandlerLoop(), list[str]()
    loop.open(two(happened, closing=True))
    loop.close()
    assert happened[-1] == "pool closes"
    assert "the disk is full" in caplog.text


def test_a_resource_that_a_test_holds_is_not_opened(loop: HandlerLoop) -> None:
    happened = list[str]()
    pool, _ = two(happened)
    with pool.holding("a fake"):
        loop.open([pool])
        assert (pool.value, happened) == ("a fake", [])
    assert not pool.is_open


def test_a_resource_that_yields_nothing_or_takes_parameters_is_refused() -> None:
    def plain() -> Any:
        return 7

    def named(name: str) -> Iterator[str]:
        yield name

    for function, said in ((plain, "yields nothing"), (named, "takes parameters")):
        with pytest.raises(ContractError, match=said):
            resource(function)  # type: ignore[arg-type] # what mypy would refuse as well
