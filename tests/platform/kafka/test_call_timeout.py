"""Calls that may never return have a deadline, and neither the engine nor the end of the process waits for them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from verbwire.errors import UnavailableError
from verbwire.kafka.call_timeout import TimeoutCaller


def test_an_exception_of_a_call_is_raised_where_it_was_made() -> None:
    caller, made = TimeoutCaller("calls"), list[str]()

    def fail() -> None:
        raise ValueError("no")

    caller.call(lambda: made.append(threading.current_thread().name), 5, "a call")
    with pytest.raises(ValueError, match="no"):
        caller.call(fail, 5, "a call")
    caller.close()
    assert made == ["calls"]


def test_a_call_that_hangs_is_left_behind_and_the_next_one_is_made() -> None:
    caller, hang, made = TimeoutCaller("calls"), threading.Event(), list[int]()
    with pytest.raises(UnavailableError, match="sending the offsets has not returned after 0 s"):
        caller.call(hang.wait, 0.05, "sending the offsets")
    caller.call(lambda: made.append(1), 5, "a call")
    caller.close()
    hang.set()
    assert made == [1]


def test_a_process_ends_while_a_call_hangs() -> None:
    program = """
import threading
from verbwire.kafka.call_timeout import TimeoutCaller
try:
    TimeoutCaller("calls").call(threading.Event().wait, 0.05, "a call")
except Exception as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert "has not returned" in done.stdout


def test_calls_at_the_same_time_do_not_wait_for_each_other_and_their_threads_end() -> None:
    caller, meeting = TimeoutCaller("meeting", idle_seconds=0.05), threading.Barrier(3)
    both = [caller.begin(lambda: meeting.wait(5)) for _ in range(2)]
    meeting.wait(5)
    for each in both:
        caller.wait(each, 5, "a call")
    for thread in [each for each in threading.enumerate() if each.name == "meeting"]:
        thread.join(5)
    assert not [each for each in threading.enumerate() if each.name == "meeting"]
    caller.call(lambda: None, 5, "a call after that")
