"""What handlers raise, and which of them takes long: told once, told briefly, and without anybody's values."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.kit.bank import Taken
from tests.kit.bank_jars import _fall
from verbwire.declarations.results import read_result
from verbwire.errors import ContractError
from verbwire.observability.watch import tracebacks
from verbwire.observability.watch.handlers import EngineStep, HandlerWatch
from verbwire.observability.watch.throttle import Throttle
from verbwire.observability.watch.tracebacks import summary, traceback_of
from verbwire.observability.watch.watchdog import Watchdog
from verbwire.wire.records.dead_letters import DETAIL_LIMIT, with_traceback
from verbwire.worker.thread_dump import stacks_on_request


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def record(offset: int = 7, topic: str = "jars") -> Taken:
    return Taken(topic, 0, offset, 0, b"k", b"v", ())


def raised(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 (whatever it is)
        return error
    raise AssertionError("it raised nothing")


def divide(by: int) -> float:
    secret = "4711"  # noqa: F841 (what must not be shown)
    return 1 / by


def deep(times: int) -> float:
    return deep(times - 1) if times else divide(0)


def wrapped() -> None:
    try:
        divide(0)
    except ZeroDivisionError as error:
        raise RuntimeError("no jar") from error


# -- once a minute


def test_throttled_log_lines_are_one_a_minute_with_how_many_more_there_were() -> None:
    clock = Clock()
    throttle = Throttle[str](60, clock)
    assert [throttle.admit("a") for _ in range(4)] == [0, None, None, None]
    assert throttle.admit("b") == 0
    clock.now = 59.9
    assert throttle.admit("a") is None
    assert throttle.overdue() == {}
    clock.now = 60.0
    assert throttle.admit("a") == 4
    assert throttle.overdue() == {}  # of b none was held back
    throttle.admit("a")
    clock.now = 120.0
    assert throttle.overdue() == {"a": 1}
    assert throttle.overdue() == {}
    assert throttle.admit("a") == 0


# -- what an exception says


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (OSError("a file \udcff"), "OSError: a file ?"),
        (MuteError(), "MuteError: (its message cannot be shown)"),
    ],
)
def test_an_exception_is_told_in_one_line(error: Exception, said: str) -> None:
    assert summary(error) == said


def test_a_message_without_end_is_cut() -> None:
    assert len(summary(ValueError("x" * 1_000_000))) < 1_100


def test_a_traceback_begins_with_the_users_code_and_shows_no_values() -> None:
    lines = traceback_of(raised(lambda: divide(0))).splitlines()
    assert "test_watch.py" in lines[0]
    assert lines[-2].endswith("in divide")
    assert lines[-1] == "    return 1 / by"
    assert "4711" not in "".join(lines)


def test_our_own_frames_before_it_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(lambda: read_result(5, object))  # type: ignore[arg-type]  # what a user may get wrong
    assert isinstance(error, ContractError)
    monkeypatch.setattr(tracebacks, "_OURS", __file__)
    assert [frame.function for frame in tracebacks.frames_of(error)] == ["read_result"]


def test_of_many_frames_the_first_and_the_last_are_shown() -> None:
    lines = traceback_of(raised(lambda: deep(500))).splitlines()
    assert len(lines) == 25
    assert lines[6] == "  ... 492 frames more ..."
    assert lines[-1] == "    return 1 / by"


def test_the_cause_is_told_too() -> None:
    text = traceback_of(raised(wrapped))
    assert text.index("no jar") < text.index("because of ZeroDivisionError: division by zero") < text.index("1 / by")


@pytest.mark.parametrize("detail", ["short", "x" * 1_500, "x" * 5_000])
def test_a_letter_holds_as_much_of_a_traceback_as_fits_its_end_first(detail: str) -> None:
    text = with_traceback(detail, traceback_of(raised(lambda: deep(500))))
    assert text.startswith(detail)
    if len(detail) < DETAIL_LIMIT:
        assert len(text) <= DETAIL_LIMIT
        assert text.endswith("    return 1 / by")
    assert with_traceback(detail, "") == detail


# -- what is logged


def test_what_a_handler_raises_is_logged_once_a_minute_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    watch = HandlerWatch("shop.carts", clock=clock)
    for offset in range(300):
        text = watch.raised("carts.put", record(offset), raised(lambda: divide(0)))
        assert text.endswith("return 1 / by")  # the letter has it, whether the log does or not
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    said = line.getMessage()
    assert said.startswith("shop.carts: carts.put raised at jars/0/0: ZeroDivisionError: division by zero\n  File ")
    assert said.endswith("return 1 / by")
    clock.now = 61
    watch.raised("carts.put", record(300), raised(lambda: divide(0)))
    assert "(299 more like it were not shown)" in caplog.records[1].getMessage()


def test_other_handlers_topics_errors_and_lines_are_other_matters(caplog: pytest.LogCaptureFixture) -> None:
    watch = HandlerWatch("g")
    for _ in range(2):
        watch.raised("a", record(), raised(lambda: divide(0)))
        watch.raised("b", record(), raised(lambda: divide(0)))
        watch.raised("a", record(topic="books"), raised(lambda: divide(0)))
        watch.raised("a", record(), raised(lambda: _fall(None)))  # type: ignore[arg-type]  # it looks at nothing
    assert len(caplog.records) == 4


def test_how_many_were_held_back_is_told_even_if_nothing_more_comes(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    watch, dog = HandlerWatch("g", clock=clock), Watchdog(clock)
    dog.add(watch, lambda _: None)
    for _ in range(3):
        watch.raised("carts.put", record(), raised(lambda: divide(0)))
    dog.look()
    clock.now = 60
    dog.look()
    assert [line.getMessage() for line in caplog.records][1:] == [
        "g: carts.put ZeroDivisionError 2 times more within a minute"
    ]


# -- what takes long


@dataclass
class Dog:
    """A watchdog whose clock the test turns, and what it has said."""

    log: pytest.LogCaptureFixture
    patient: bool = False
    clock: Clock = field(default_factory=Clock)
    longest: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log.set_level(logging.INFO)
        self.watch = HandlerWatch("shop.carts", self.patient, self.clock)
        self.dog = Watchdog(self.clock)
        self.dog.add(self.watch, self.longest.append)

    def look(self, seconds: int) -> list[str]:
        self.log.clear()
        for _ in range(seconds):
            self.clock.now += 1
            self.dog.look()
        return [f"{each.levelname} {each.getMessage()}" for each in self.log.records]


def test_a_handler_that_takes_long_is_named_while_it_runs_and_when_it_has_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dog, spot = Dog(caplog), None
    spot = dog.watch.spot
    spot.handler, spot.at = EngineStep("carts.put"), record(7)
    assert dog.look(10) == []
    assert dog.look(1) == ["WARNING shop.carts: carts.put at jars/0/7 has been running for 10 s"]
    assert dog.longest[-1] == 10
    assert dog.look(59) == []
    assert dog.look(1) == ["WARNING shop.carts: carts.put at jars/0/7 has been running for 70 s"]
    spot.at = None
    assert dog.look(1) == ["WARNING shop.carts: carts.put at jars/0/7 has ended after about 71 s"]
    assert dog.longest[-1] == 0
    assert dog.look(100) == []


def test_many_records_one_after_another_are_none_that_takes_long(caplog: pytest.LogCaptureFixture) -> None:
    dog = Dog(caplog)
    for offset in range(30):
        dog.watch.spot.handler, dog.watch.spot.at = EngineStep("carts.put"), record(offset)
        assert dog.look(1) == []
    assert dog.longest[-1] < 2


def test_handlers_on_threads_of_their_own_are_known_while_they_run(caplog: pytest.LogCaptureFixture) -> None:
    dog = Dog(caplog)
    with (
        dog.watch.running(EngineStep("receipts.write"), record(1)),
        dog.watch.running(EngineStep("receipts.write"), record(2)),
    ):
        said = dog.look(11)
    assert sorted(said) == [
        f"WARNING shop.carts: receipts.write at jars/0/{offset} has been running for 10 s" for offset in (1, 2)
    ]
    assert len(dog.look(1)) == 2  # both have ended
    assert dog.watch.spots == {dog.watch.spot}


def test_a_handler_that_is_expected_to_take_long_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    dog = Dog(caplog, patient=True)
    dog.watch.spot.handler, dog.watch.spot.at = EngineStep("reports.write"), record()
    assert dog.look(11) == ["INFO shop.carts: reports.write at jars/0/7 has been running for 10 s"]


def test_a_function_that_somebody_waits_for_cannot_end_the_program() -> None:
    def ends() -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="prices wanted to end the program"):
        HandlerWatch("g").call(EngineStep("prices"), "q", ends)


def test_a_flood_of_dead_letters_is_one_line_a_minute_and_topic(caplog: pytest.LogCaptureFixture) -> None:
    watch = HandlerWatch("g")
    for offset in range(1000):
        watch.dead_lettered("undecodable", record(offset), "x" * 100_000)
        watch.dead_lettered("undecodable", record(offset, "books"), "not Avro")
    assert [line.levelname for line in caplog.records] == ["WARNING", "WARNING"]
    assert caplog.records[1].getMessage() == "g: books/0/0 goes to the dead letters, undecodable: not Avro"
    assert len(caplog.records[0].getMessage()) < 1_100


def test_a_skip_is_logged_every_time(caplog: pytest.LogCaptureFixture) -> None:
    watch = HandlerWatch("g")
    for offset in range(2):
        watch.skipped(record(offset), "ann says so")
    assert [line.getMessage().partition(",")[0] for line in caplog.records] == [
        "g: jars/0/0 is skipped",
        "g: jars/0/1 is skipped",
    ]


@pytest.mark.parametrize("stderr", [None, io.StringIO()], ids=["none", "no file"])
def test_a_worker_without_a_stderr_starts_and_outlives_the_request(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None
) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    try:
        monkeypatch.setattr(sys, "stderr", stderr)
        stacks_on_request()
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
