"""Lag as it is told: in records, in seconds, or that it is not known."""

from __future__ import annotations

from verbwire.kafka.progress import InputProgress
from verbwire.worker.lag_watch import lag_of

NOW = 1_000_000
EVENTS, MORE = "shop.orders.events", "shop.carts.events"


def at(position: int | None, timestamp: int | None = None, topic: str = EVENTS, partition: int = 0) -> InputProgress:
    return InputProgress(topic, partition, position, timestamp)


def test_lag_is_what_is_left_by_topic_and_the_age_of_the_oldest() -> None:
    ends = {(EVENTS, 0): 100, (EVENTS, 1): 50, (MORE, 0): 9}
    progress = [at(90, NOW - 4000), at(45, NOW - 9000, partition=1), at(9, NOW - 60_000, MORE)]
    lag = lag_of(progress, ends, {}, NOW)
    assert (lag.records, lag.seconds, lag.unknown) == ({EVENTS: 15, MORE: 0}, 9.0, 0)


def test_lag_is_no_older_than_the_moment_when_nothing_was_left() -> None:
    """After an idle hour the record that is known is an hour old, but the one that waits has come since."""
    idle = at(90, NOW - 3_600_000)
    assert lag_of([idle], {(EVENTS, 0): 91}, {(EVENTS, 0): 3.0}, NOW).seconds == 3.0


def test_lag_that_is_not_known_is_said_to_be_so_and_left_out() -> None:
    progress = [at(None), at(5, partition=1), at(0, partition=2), at(7, partition=3)]
    lag = lag_of(progress, {(EVENTS, 0): 3, (EVENTS, 2): 2, (EVENTS, 3): 7}, {}, NOW)
    assert (lag.records, lag.unknown) == ({EVENTS: 2}, 2)
    assert lag.seconds == 0.0  # of the one that is at its end; the age of the two of partition 2 is not known


def test_lag_in_seconds_is_unknown_where_no_record_was_seen_yet() -> None:
    lag = lag_of([at(0)], {(EVENTS, 0): 2}, {}, NOW)
    assert (lag.records, lag.seconds) == ({EVENTS: 2}, None)


def test_lag_is_never_below_zero_where_ends_are_older_than_positions() -> None:
    assert lag_of([at(12, NOW)], {(EVENTS, 0): 10}, {}, NOW).records == {EVENTS: 0}
