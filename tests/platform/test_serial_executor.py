"""Calls one after another, on a thread that is there only while there are any."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, wait

import pytest

from tests.kit.cluster import eventually
from verbwire.serial_executor import SerialExecutor

NAME = "serial calls"


def running() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == NAME]


def test_serial_calls_keep_their_order_whoever_submits_them_and_never_overlap() -> None:
    """With threads that end at once, each call may be the one that meets the end of the last."""
    executor, done, inside = SerialExecutor(NAME, idle_seconds=0.0), list[tuple[int, int]](), threading.Semaphore()

    def call(which: int, number: int) -> None:
        assert inside.acquire(blocking=False)
        done.append((which, number))
        inside.release()

    def submit(which: int) -> None:
        wait([executor.submit(call, which, number) for number in range(500)])

    threads = [threading.Thread(target=submit, args=(which,)) for which in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    executor.shutdown()
    assert [[number for its, number in done if its == which] for which in range(3)] == [[*range(500)]] * 3


def test_a_serial_thread_ends_while_it_idles_and_begins_again() -> None:
    executor = SerialExecutor(NAME, idle_seconds=0.01)
    assert running() == []
    for number in range(3):
        assert executor.submit(lambda: number).result() == number  # noqa: B023 (called at once)
        eventually(lambda: not running())
    executor.shutdown()


def test_a_serial_executor_tells_errors_and_finishes_what_it_has_taken() -> None:
    executor, go = SerialExecutor(NAME), threading.Event()
    first, failing, last = (executor.submit(each) for each in (go.wait, lambda: 1 / 0, lambda: "done"))
    threading.Timer(0.05, go.set).start()
    executor.shutdown()
    assert (first.done(), last.result(0)) == (True, "done")
    with pytest.raises(ZeroDivisionError):
        failing.result(0)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(go.wait)


def test_what_has_not_begun_may_be_cancelled() -> None:
    executor, begun, go = SerialExecutor(NAME), threading.Event(), threading.Event()

    def begin() -> None:
        begun.set()
        go.wait()

    first = executor.submit(begin)
    second = executor.submit(go.wait)
    assert begun.wait(5)
    executor.shutdown(wait=False, cancel_futures=True)
    go.set()
    first.result(5)
    with pytest.raises(CancelledError):
        second.result(5)
