"""Lag as it is computed from offsets, and what is said of what is odd."""

from __future__ import annotations

import pytest

from verbwire.cli.lag import lag_row
from verbwire.cli.spans import span
from verbwire.deploy.group_plan import GroupPlan
from verbwire.inspection.first_records import _rounds
from verbwire.inspection.group_status import GroupStatus, WorkerStatus
from verbwire.inspection.lag import ConsumerGroupLag, PartitionLag, _place_lag, _sum, _with_rate
from verbwire.inspection.oddities import odd_things, partitions
from verbwire.inspection.parked_counts import ParkedCount
from verbwire.kafka.offsets import Committed
from verbwire.messages import Kind
from verbwire.names import Names

Oldest = dict[tuple[tuple[str, int], int], int | None]
PLACE = ("shop.orders.events", 3)


def lag_of(committed: int | None, end: int, oldest: Oldest, start: int = 0) -> PartitionLag:
    return _place_lag(PLACE, Committed(committed, "w1"), start, end, end, oldest, now_ms=100_000)


def test_lag_is_records_to_the_last_stable_offset_and_since_when_the_next_waits() -> None:
    found = lag_of(40, 50, {(PLACE, 40): 88_000})
    assert (found.records, found.seconds, found.by) == (10, 12.0, "w1")


def test_lag_of_markers_alone_is_none() -> None:
    assert lag_of(49, 50, {(PLACE, 49): None}).records == 0


def test_lag_without_a_commit_begins_where_the_log_begins() -> None:
    found = lag_of(None, 50, {(PLACE, 20): 99_000}, start=20)
    assert (found.committed, found.records, found.seconds) == (None, 30, 1.0)


def test_lag_whose_record_was_not_told_has_unknown_seconds() -> None:
    found = lag_of(40, 50, {})
    assert (found.records, found.seconds) == (10, None)
    told = lag_row(_sum("shop.orders", "table", [found]))
    assert told == ("shop.orders", "table", "10", "?", "?", "?", "?", "?", "shop.orders.events/3 (10)")


def test_lag_is_of_what_a_group_commits_offsets_of_and_of_no_log_that_it_restores_itself_from() -> None:
    plan = GroupPlan("shop.orders", Kind.EVENT, ("shop.carts",), ("orders",), rekeys=True, heeds=True, parks=True)
    names = Names("shop", "")
    consumed = ["shop.carts.events", "shop.orders-orders-repartition", "shop.orders.requests"]
    assert plan.consumed(names) == consumed
    assert {*plan.read(names)} - {*consumed} == {"shop.orders-orders-changelog", "shop.orders.parked"}


def test_lag_is_never_ahead_of_the_clock() -> None:
    assert lag_of(40, 50, {(PLACE, 40): 100_900}).seconds == 0.0


def group(committed: int, end: int) -> ConsumerGroupLag:
    return _sum("shop.orders", "table", [lag_of(committed, end, {(PLACE, committed): 1_000})])


@pytest.mark.parametrize(
    ("later", "rate", "growth", "end"),
    [
        (group(500, 1_000), 200.0, 0.0, 2.5),  # 400 in two seconds, 500 are left
        (group(300, 1_400), 100.0, 200.0, None),  # more comes than goes: never, at this rate
        (group(100, 1_000), 0.0, 0.0, None),
        (group(1_000, 1_000), 450.0, 0.0, 0.0),
    ],
)
def test_lag_of_two_samples_tells_rates_and_when_it_ends(
    later: ConsumerGroupLag, rate: float, growth: float, end: float | None
) -> None:
    found = _with_rate(group(100, 1_000), later, 2.0)
    assert (found.rate, found.growth, found.end_seconds) == (rate, growth, end)


def test_lag_that_is_unknown_is_said_to_be() -> None:
    unknown = ConsumerGroupLag(group="shop.orders", kind="table", records=None)
    assert lag_row(unknown) == ("shop.orders", "table", *["?"] * 7)
    assert _with_rate(group(0, 5), unknown, 2.0) == unknown


def test_lag_names_what_is_parked_beside_what_is_behind() -> None:
    parked = _sum("shop.orders", "table", [lag_of(50, 50, {})], ParkedCount(keys=2, records=1_204))
    assert lag_row(parked)[2:] == ("0", "-", "-", "-", "-", "1,204 of 2 keys", "-")
    assert lag_row(_sum("shop.orders", "table", [lag_of(50, 50, {})], ParkedCount()))[7] == "-"
    ((stands, what),) = odd(status_of(parked=parked.parked))
    assert (stands, what.partition(":")[0]) == (False, "2 keys are parked with 1,204 records")


def test_lag_reads_one_offset_of_a_partition_at_a_time() -> None:
    other = ("shop.orders.events", 4)
    assert _rounds([(PLACE, 1), (PLACE, 7), (other, 2)]) == [[(PLACE, 1), (other, 2)], [(PLACE, 7)]]


def status_of(**about: object) -> GroupStatus:
    usual = {
        "group": "shop.orders",
        "kind": "table",
        "partitions": 4,
        "states": {"running": [0, 1, 2, 3]},
        "owners": {"w1": [0, 1, 2, 3]},
        "stopped": {},
        "lag": None,
        "dead_letters": 0,
    }
    return GroupStatus(**{**usual, **about})  # type: ignore[arg-type]


def odd(*groups: GroupStatus, workers: tuple[WorkerStatus, ...] = ()) -> list[tuple[bool, str]]:
    return [(each.stands_still, each.what) for each in odd_things(groups, workers, verified=True)]


def test_status_finds_nothing_odd_where_all_is_well() -> None:
    assert odd(status_of()) == []


def test_status_names_what_stands_still_first_and_one_reason_once() -> None:
    why = "shop.orders.events/1/17: KeyError"
    found = odd(
        status_of(group="shop.a", dead_letters=2),
        status_of(stopped={1: why, 2: why}, states={"stopped": [1, 2], "no owner": [0, 3]}),
    )
    assert found == [
        (True, f"partitions 1, 2 stopped: {why}"),
        (True, "partitions 0, 3 without an owner"),
        (False, "2 dead letters"),
    ]


def test_status_names_all_groups_that_nobody_hosts_in_one_finding() -> None:
    lost = {"states": {"no owner": [0, 1, 2, 3]}, "owners": {}}
    (found,) = odd_things([status_of(group="shop.a", **lost), status_of(group="shop.b", **lost)], (), verified=True)
    assert (found.about, found.stands_still) == ("shop.a, shop.b", True)
    assert "`verbwire worker shop.a shop.b`" in found.do


@pytest.mark.parametrize(
    ("committed", "start", "end", "said"),
    [(5, 9, 20, "the log begins at 9: records went unread"), (30, 0, 20, "the log ends at 20")],
)
def test_status_finds_offsets_that_lie_outside_of_their_log(committed: int, start: int, end: int, said: str) -> None:
    lag = _sum("shop.orders", "table", [lag_of(committed, end, {}, start)])
    ((stands, what),) = odd(status_of(lag=lag))
    assert stands
    assert what.endswith(said)


def test_status_finds_a_group_that_owns_its_partition_and_does_not_move() -> None:
    waiting = _with_rate(group(100, 1_000), group(100, 1_000), 2.0)
    ((stands, what),) = odd(status_of(lag=waiting))
    assert (stands, what) == (
        True,
        "nothing moves in partition 3; shop.orders.events/3 waits at 100 for 99 s",
    )
    assert odd(status_of(lag=_with_rate(group(100, 1_000), group(101, 1_000), 2.0))) == []


def test_status_tells_silent_and_strange_workers() -> None:
    silent = WorkerStatus(name="w1", url="", state="silent", heard_seconds_ago=80.0)
    strange = WorkerStatus(name="w2", url="", state="not believed: signed by nobody", heard_seconds_ago=1.0)
    assert odd(workers=(silent, strange)) == [(False, "silent for 80 s"), (False, "not believed: signed by nobody")]


def test_partitions_are_named_in_one_sentence() -> None:
    assert partitions([3]) == "partition 3"
    assert partitions(range(12)) == "partitions 0, 1, 2, 3, 4, 5, 6, 7 and 4 more"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "?"), (0.24, "0.2 s"), (75.0, "75 s"), (150.0, "2 min"), (7200.0, "2 h"), (9e5, "10 d")],
)
def test_spans_of_time_are_in_the_largest_unit_of_which_there_are_two(seconds: float | None, said: str) -> None:
    assert span(seconds) == said
