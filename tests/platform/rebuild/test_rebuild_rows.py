"""Rows side by side, and a rebuild that is slowed down."""

from __future__ import annotations

from typing import Any, cast

from verbwire.engine.processors.paced import PacedProcessor
from verbwire.kafka.record import ConsumedRecord
from verbwire.rebuild.side_by_side import NEW, OLD, SideBySide


def test_a_rebuild_diff_tells_what_differs_and_what_was_written_since_the_last_reading() -> None:
    with SideBySide() as rows:
        rows.take(OLD, [(b"same", b"1"), (b"changed", b"1"), (b"gone", b"1"), (b"hot", b"1"), (b"deleted", b"1")])
        rows.take(NEW, [(b"same", b"1"), (b"changed", b"2"), (b"new", b"1"), (b"hot", b"0")])
        rows.rest()
        rows.take(OLD, [(b"hot", b"2"), (b"deleted", None)])
        rows.take(NEW, [(b"never", None)])
        assert [*rows.different()] == [
            (b"changed", b"1", b"2", False),
            (b"gone", b"1", None, False),
            (b"hot", b"2", b"0", True),
            (b"new", None, b"1", False),
        ]
        assert (rows.count(OLD), rows.count(NEW)) == (4, 4)
        rows.rest()
        assert not any(moved for *_, moved in rows.different())


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def pause(self, seconds: float) -> None:
        self.now += seconds


class _Two:
    """Takes two records at a time, in no time."""

    watch = cast("Any", None)

    def process(self, _: Any, records: Any, __: Any) -> int:
        return min(2, len(records))


def test_a_rebuild_is_paced_by_its_sources_and_not_by_what_it_hands_to_itself() -> None:
    clock = _Clock()
    paced = PacedProcessor(cast("Any", _Two()), 10, {"source"}, lambda: clock.now, clock.pause)
    nothing = cast("Any", None)
    for _ in range(50):
        paced.process(nothing, [ConsumedRecord("source", 0, 0, 0, None, None, ())] * 5, nothing)
    assert 9.5 <= clock.now - 100 <= 10.1, "a hundred records, ten a second"
    before = clock.now
    paced.process(nothing, [ConsumedRecord("own-repartition", 0, 0, 0, None, None, ())], nothing)
    assert clock.now == before
