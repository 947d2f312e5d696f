"""A second process under a worker's name: the newcomer ends at once, the one that was there bears it for a while."""

from __future__ import annotations

from verbwire.engine.faust.duplicate_worker import FENCED_SECONDS, FENCED_TIMES, DuplicateWorkerDetector


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_duplicate_worker_that_is_fenced_as_soon_as_it_has_joined_ends_at_once() -> None:
    detector = DuplicateWorkerDetector(Clock())
    assert not detector.is_duplicate("a")
    assert not detector.is_duplicate("a"), "another generation, the same member"
    assert detector.is_duplicate("b")


def test_a_worker_that_was_only_slow_is_no_duplicate_worker() -> None:
    clock = Clock()
    detector = DuplicateWorkerDetector(clock)
    for member in "abcdef":
        assert not detector.is_duplicate(member)
        clock.now += FENCED_SECONDS


def test_a_worker_that_was_there_outlasts_a_duplicate_worker_but_not_for_ever() -> None:
    clock = Clock()
    detector = DuplicateWorkerDetector(clock)
    detector.is_duplicate("first")
    clock.now += FENCED_SECONDS
    assert not detector.is_duplicate("second"), "it had long been a member"
    assert [detector.is_duplicate(str(n)) for n in range(FENCED_TIMES + 1)] == [False] * FENCED_TIMES + [True]
