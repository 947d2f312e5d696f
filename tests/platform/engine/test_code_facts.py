"""The fact which code has folded a partition: what changed, since which offsets, over restarts and moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from verbwire.engine.code.facts import (
    CodeChange,
    CodeFingerprints,
    CurrentCode,
    FoldedBy,
    folded_anew,
    other_code,
    read_code,
    write_code,
)

VERSIONS: Any = SimpleNamespace(own=7, checked=lambda _: True)
HEARD = {"on a.Placed": "a.events", "on a.Paid": "a.events", "on b.Shipped": "b.events"}
FIRST = {"row": "r1", "on a.Placed": "p1"}


def code(parts: dict[str, str] | None) -> CurrentCode:
    return CurrentCode(VERSIONS, None if parts is None else CodeFingerprints(parts, HEARD))


def test_code_that_has_folded_from_the_first_record_on_is_all_that_is_known() -> None:
    folded = code(FIRST).follows(None, {})
    assert folded == FoldedBy(schema=7, parts=FIRST)
    assert code(FIRST).follows(folded, {"a.events": 5}) == folded


def test_a_changed_part_is_told_with_the_offsets_since_which_it_holds() -> None:
    before = code(FIRST).follows(None, {})
    after = code({**FIRST, "on a.Placed": "p2"}).follows(before, {"a.events": 120})
    assert after.changes == (CodeChange(at={"a.events": 120}, changed=("on a.Placed",)),)
    assert other_code(write_code(after)) == "changed: on a.Placed (since a.events@120)"
    assert after.news(before) == after.changes


def test_a_changed_part_stays_told_by_code_that_is_the_same() -> None:
    before = code(FIRST).follows(None, {})
    changed = code({**FIRST, "on a.Placed": "p2"})
    after = changed.follows(before, {"a.events": 120})
    later = changed.follows(read_code(write_code(after)), {"a.events": 500})
    assert (later, later.news(after)) == (after, ())


def test_a_changed_part_counts_from_its_last_change() -> None:
    """To the new code, back, and to the new again, as in a rollback."""
    old, new = code(FIRST), code({**FIRST, "on a.Placed": "p2", "on a.Paid": "q"})
    folded = new.follows(old.follows(None, {}), {"a.events": 10})
    folded = old.follows(folded, {"a.events": 20})
    folded = new.follows(folded, {"a.events": 30})
    assert folded.changes == (
        CodeChange(at={"a.events": 20}, removed=("on a.Paid",)),
        CodeChange(at={"a.events": 30}, changed=("on a.Placed",), added=("on a.Paid",)),
    )


def test_a_handler_added_for_a_topic_that_is_read_counts_only_from_now_on() -> None:
    before = code(FIRST).follows(None, {})
    after = code({**FIRST, "on a.Paid": "q1"}).follows(before, {"a.events": 9})
    assert after.changes == (CodeChange(at={"a.events": 9}, added=("on a.Paid",)),)


def test_a_handler_added_with_a_topic_of_its_own_hears_all_of_it() -> None:
    before = code(FIRST).follows(None, {})
    after = code({**FIRST, "on b.Shipped": "s1"}).follows(before, {"a.events": 9})
    assert (after.changes, after.parts) == ((), {**FIRST, "on b.Shipped": "s1"})


def test_code_that_folded_before_it_was_recorded_is_unknown_and_not_other_code() -> None:
    after = code(FIRST).follows(None, {"a.events": 9})
    assert (after.unknown, after.changes, other_code(write_code(after))) == ({"a.events": 9}, (), None)


def test_code_without_its_source_says_nothing_and_forgets_nothing() -> None:
    before = code(FIRST).follows(None, {})
    after = code(None).follows(before, {"a.events": 9})
    assert after == before
    assert code(None).follows(None, {}).parts is None
    assert code(FIRST).follows(code(None).follows(None, {}), {"a.events": 9}).unknown == {"a.events": 9}


def test_a_header_that_nobody_of_ours_has_written_is_none() -> None:
    assert [read_code(each) for each in (None, b"", b"{", b'{"schema": "x"}', b"\xff")] == [None] * 5


def test_states_that_were_folded_anew_are_of_other_appliers_no_more() -> None:
    changes = (
        CodeChange(at={"commands": 3}, changed=("applies bank.jars.CoinsPut",)),
        CodeChange(at={"commands": 5}, changed=("applies bank.jars.CoinsPut", "handles bank.jars.PutCoins")),
    )
    after = read_code(folded_anew(write_code(FoldedBy(schema=1, parts={}, changes=changes))))
    assert after is not None
    assert after.changes == (CodeChange(at={"commands": 5}, changed=("handles bank.jars.PutCoins",)),)
    assert folded_anew(None) is None
