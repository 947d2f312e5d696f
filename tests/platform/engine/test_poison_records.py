"""Who is to blame when a group gets no further: found within few failures, while the neighbours go on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from verbwire.engine.transactions.poison_records import FailedTransaction, Place, PoisonRecordFinder, RecordRange

A, B = ("events", 0), ("events", 1)


class Group:
    """Deals with records of two places as the engine does: transactions, of which those with a bad record fail."""

    def __init__(self, bad: dict[Place, int], records: int = 3000) -> None:
        self.bad = bad
        self.end = records
        self.next = {A: 0, B: 0}
        self.finder = PoisonRecordFinder()
        self.failures = 0

    def stopped(self) -> dict[Place, str]:
        verdicts = {place: self.finder.reason_to_stop(place[1], {place[0]: self.next[place]}) for place in self.next}
        return {place: why for place, why in verdicts.items() if why}

    def run(self) -> int:
        """Work until there is nothing left to do, and return how often a transaction failed."""
        while left := [each for each in self.next if self.next[each] < self.end and each not in self.stopped()]:
            for taken in self.transactions(left):
                ranges = {place: RecordRange(self.next[place], self.next[place] + n, n) for place, n in taken.items()}
                if any(each.first <= self.bad.get(place, -1) < each.until for place, each in ranges.items()):
                    self.failures += 1
                    assert self.failures < 100
                    self.finder.failed(FailedTransaction("no such record", ranges))
                    break  # starts over
                for place, each in ranges.items():
                    self.next[place] = each.until
                    self.finder.progressed(place, each.until)
        return self.failures

    def transactions(self, places: Sequence[Place]) -> list[dict[Place, int]]:
        together: dict[Place, int] = {}
        alone: list[dict[Place, int]] = []
        for place in places:
            left, limit = self.end - self.next[place], self.finder.limit(place)
            if limit is None:
                together[place] = left
            else:
                alone.append({place: min(left, limit)})
        return [each for each in (together, *alone) if each]


def test_blame_without_a_failure_suspects_no_record() -> None:
    group = Group({})
    assert group.run() == 0
    assert (group.next, group.finder.has_suspects()) == ({A: 3000, B: 3000}, False)


@pytest.mark.parametrize("offset", [0, 1, 1499, 2998, 2999])
def test_blame_finds_one_bad_record_and_the_neighbour_goes_on(offset: int) -> None:
    group = Group({A: offset})
    assert group.run() <= 2 + 12 + 3  # together, halves of three thousand, the one record
    assert group.next == {A: offset, B: 3000}
    (why,) = group.stopped().values()
    assert f"stopped at events/0/{offset}, which has failed again and again, alone: no such record. Mend" in why
    assert group.finder.limit(B) is None


def test_blame_finds_bad_records_of_two_neighbours() -> None:
    group = Group({A: 7, B: 2000})
    group.run()
    assert group.next == {A: 7, B: 2000}
    assert [*group.stopped()] == [A, B]


def test_blame_is_not_looked_for_where_no_record_is_at_fault() -> None:
    finder, ranges = PoisonRecordFinder(), {A: RecordRange(0, 3000, 3000)}
    for _ in range(2):
        finder.failed(FailedTransaction("not authorized", ranges, any_record=True))
    assert finder.limit(A) == 1


def test_blame_by_accident_is_cleared_once_the_record_is_through() -> None:
    group = Group({A: 5})
    for _ in range(3):
        group.finder.failed(
            FailedTransaction("for a moment", {A: RecordRange(0, 3000, 3000), B: RecordRange(0, 3000, 3000)})
        )
    group.bad = {}
    assert group.run() == 0
    assert (group.stopped(), group.finder.has_suspects()) == ({}, False)


def test_a_record_that_somebody_has_got_past_is_to_blame_no_more() -> None:
    group = Group({A: 7})
    group.run()
    assert [*group.stopped()] == [A]
    group.bad, group.next[A] = {}, 8
    assert group.stopped() == {}
    group.run()
    assert group.next == {A: 3000, B: 3000}
