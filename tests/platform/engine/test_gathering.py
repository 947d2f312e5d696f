"""Commands that wait for those that are about to come: two crowds become one, and nobody waits for who does not."""

from __future__ import annotations

from math import inf

import pytest

from verbwire.engine.gathering import Gathering

TOOK = 0.015  # seconds that a transaction takes here; a third of it is waited for


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gathering(clock: Clock) -> Gathering:
    return Gathering(clock)


def test_one_caller_that_asks_again_and_again_never_waits(gathering: Gathering, clock: Clock) -> None:
    for _ in range(10):
        assert gathering.seconds(1, under_way=False) == 0
        gathering.began(1)
        gathering.over(1, TOOK)
        clock.at += 0.001


def test_two_crowds_that_take_turns_become_one(gathering: Gathering, clock: Clock) -> None:
    gathering.over(3, TOOK)
    gathering.began(8)
    assert gathering.seconds(5, under_way=True) == inf
    assert gathering.seconds(8, under_way=True) == inf
    gathering.over(8, TOOK)
    assert gathering.seconds(8, under_way=False) == pytest.approx(TOOK / 3)
    clock.at += 0.003
    assert gathering.seconds(15, under_way=False) == pytest.approx(0.002)
    assert gathering.seconds(16, under_way=False) == 0
    gathering.began(16)
    gathering.over(16, TOOK)
    assert gathering.seconds(1, under_way=False) > 0
    assert gathering.seconds(16, under_way=False) == 0


def test_callers_are_waited_for_no_longer_than_a_part_of_a_transaction(gathering: Gathering, clock: Clock) -> None:
    gathering.over(8, TOOK)
    clock.at += TOOK / 3
    assert gathering.seconds(3, under_way=False) == 0
    gathering.over(8, 10.0)
    assert gathering.seconds(3, under_way=False) == pytest.approx(0.006)


def test_who_was_answered_and_does_not_come_back_is_waited_for_ever_more_seldom(gathering: Gathering) -> None:
    waited, last = list[int](), 0
    gathering.over(8, TOOK)
    for number in range(400):
        if gathering.seconds(3, under_way=True):
            waited.append(number - last - 1)
            last = number
        gathering.over(8, TOOK)
        gathering.seconds(3, under_way=False)
        gathering.began(3)
    assert waited[:8] == [-1, 1, 3, 7, 15, 31, 63, 63]


def test_those_who_come_back_later_are_waited_for_again(gathering: Gathering) -> None:
    gathering.over(8, TOOK)
    gathering.began(3)
    assert gathering.seconds(3, under_way=True) == 0
    gathering.began(3)
    assert gathering.seconds(3, under_way=True) == inf
    gathering.over(8, TOOK)
    gathering.began(11)
    assert gathering.seconds(3, under_way=True) == inf


def test_commands_without_a_caller_wait_for_nobody(gathering: Gathering) -> None:
    for _ in range(3):
        assert gathering.seconds(3, under_way=True) == 0
        gathering.began(3)
        gathering.over(0, TOOK)
        assert gathering.seconds(3, under_way=False) == 0
