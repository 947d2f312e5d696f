"""Schedules: due times over clock changes, and what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.tower import ringing
from verbwire import Schedule
from verbwire.declarations.schedule import MISSED_AFTER

LONDON = ZoneInfo("Europe/London")
CRONS = ("30 1 * * *", "0 2 * * *", "0 6 * * MON", "*/20 * * * *", "15 */3 * * *", "0 0 L * *", "30 1 * * SUN#1")
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")


def schedule(cron: str, timezone: str = "Europe/London", **more: object) -> Schedule:
    return Schedule("tower.bells.some", cron=cron, timezone=timezone, sends=ringing(), **more)  # type: ignore[arg-type]


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


def test_a_due_time_that_a_clock_change_leaves_out_is_due_right_after_it() -> None:
    before = london("2026-03-28 12:00")
    first = schedule("30 1 * * *").after(before)
    assert first == datetime(2026, 3, 29, 1, tzinfo=UTC)  # when it is 2:00 in London
    assert schedule("30 1 * * *").after(first) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_due_time_that_comes_twice_is_due_once() -> None:
    due = schedule("30 1 * * *").after(london("2026-10-24 12:00"))
    assert due == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first time
    assert schedule("30 1 * * *").after(due) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_schedule_of_minutes_goes_by_elapsed_time_over_a_clock_change() -> None:
    moment, every = london("2026-10-25 00:59"), schedule("*/20 * * * *")
    times = []
    for _ in range(7):
        moment = every.after(moment) or moment
        times.append(moment)
    assert [after - before for before, after in pairwise(times)] == [timedelta(minutes=20)] * 6


@given(st.sampled_from(CRONS), st.sampled_from(ZONES), st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1)))
def test_due_times_go_forward_and_from_any_moment_the_same_ones_follow(cron: str, zone: str, naive: datetime) -> None:
    moment, asked = naive.replace(tzinfo=UTC), schedule(cron, zone)
    first = asked.after(moment)
    assert first is not None
    second = asked.after(first)
    assert second is not None
    assert moment < first < second
    assert asked.after(first - timedelta(milliseconds=1)) == first
    assert asked.after(second - timedelta(milliseconds=1)) == second


@given(st.sampled_from(CRONS), st.sampled_from(ZONES), st.integers(0, 60 * 24 * 40))
def test_what_was_missed_is_fired_by_its_rule(cron: str, zone: str, minutes: int) -> None:
    first = schedule(cron, zone).after(datetime(2026, 10, 1, tzinfo=UTC))
    assert first is not None
    now = first + timedelta(minutes=minutes)
    due, upcoming = schedule(cron, zone, missed="latest").fired(first, now)
    assert due is not None and upcoming is not None  # noqa: PT018 (both are there)
    assert first <= due <= now < upcoming or now - first <= MISSED_AFTER
    assert schedule(cron, zone).after(due) == upcoming
    assert schedule(cron, zone, missed="all").fired(first, now) == (first, schedule(cron, zone).after(first))
    due, upcoming = schedule(cron, zone, missed="none").fired(first, now)
    assert (due is None) == (now - first > MISSED_AFTER)
    assert upcoming is not None
    assert upcoming > now - MISSED_AFTER


@pytest.mark.parametrize("cron", ["* * * * * * *", "61 * * * *", "", "@sometimes"])
def test_a_cron_expression_that_is_none_is_refused(cron: str) -> None:
    with pytest.raises(Exception, match="is no cron expression"):
        schedule(cron)
