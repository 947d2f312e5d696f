"""The job of sales reports, with a list in the place of the table: no broker, no worker."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.reports import build, days_of, report, report_file
from schemas.reports import BuildSalesReport
from schemas.sales import SalesMinuteRow
from verbwire import Command, Event, JobContext
from verbwire.errors import Requeue
from verbwire.testing import CONTEXT

FIRST = datetime(2010, 12, 1, tzinfo=UTC)
COMMAND = BuildSalesReport(report_id="december", sold_from=FIRST, sold_until=FIRST + timedelta(days=2))
SALES = [
    SalesMinuteRow(country="United Kingdom", minute=FIRST + timedelta(hours=8), orders=2, total_pence=300),
    SalesMinuteRow(country="EIRE", minute=FIRST + timedelta(hours=9), orders=1, total_pence=50),
    SalesMinuteRow(country="United Kingdom", minute=FIRST + timedelta(hours=23, minutes=59), orders=1, total_pence=1),
    SalesMinuteRow(country="EIRE", minute=FIRST + timedelta(days=1), orders=1, total_pence=7),
]


class NoMail:
    """Where a job's messages would go: this one sends none."""

    def send(self, command: Command, _: float | None = None) -> None:
        raise AssertionError(command)

    def publish(self, event: Event) -> None:
        raise AssertionError(event)


@dataclass
class Run:
    """A run that may be stopped after so many steps."""

    stops_after: int = 1000
    steps: list[tuple[float, float, str]] = field(default_factory=list)

    @property
    def stopping(self) -> bool:
        return len(self.steps) >= self.stops_after

    def progress(self, done: float, total: float, note: str) -> None:
        self.steps.append((done, total, note))


def context(run: Run) -> JobContext:
    facts: dict[str, Any] = {each.name: getattr(CONTEXT, each.name) for each in fields(CONTEXT)}
    return JobContext(**facts, idempotency_key="key", attempt=1, outbox=NoMail(), run=run)


def sold(begin: datetime, end: datetime) -> list[SalesMinuteRow]:
    return [row for row in SALES if begin <= row.minute < end]


def test_a_report_says_what_was_sold_on_each_day_to_each_country() -> None:
    run = Run()
    assert report(COMMAND, sold, context(run)) == (
        "day,country,orders,pence\n2010-12-01,EIRE,1,50\n2010-12-01,United Kingdom,3,301\n2010-12-02,EIRE,1,7\n"
    )
    assert run.steps == [(0, 2, "2010-12-01"), (1, 2, "2010-12-02"), (2, 2, "done")]


def test_on_a_stop_the_work_is_handed_back() -> None:
    with pytest.raises(Requeue):
        report(COMMAND, sold, context(Run(stops_after=1)))


def test_days_begin_and_end_where_the_report_does() -> None:
    noon = FIRST + timedelta(hours=12)
    assert list(days_of(noon, noon + timedelta(days=1))) == [
        (noon, FIRST + timedelta(days=1)),
        (FIRST + timedelta(days=1), noon + timedelta(days=1)),
    ]
    assert list(days_of(noon, noon)) == []


def test_a_report_that_is_there_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERBWIRE_DATA", str(tmp_path))
    monkeypatch.setenv("VERBWIRE_BOOTSTRAP", "nobody.invalid:1")
    report_file("december").parent.mkdir()
    report_file("december").write_text("built before")
    build(COMMAND, context(Run()))
    assert report_file("december").read_text() == "built before"
    assert report_file("../december").parent == tmp_path / "reports"


def test_a_time_without_sales_is_a_report_without_lines() -> None:
    later = replace_times(COMMAND, FIRST + timedelta(days=9))
    assert report(later, sold, context(Run())) == "day,country,orders,pence\n"


def replace_times(command: BuildSalesReport, begin: datetime) -> BuildSalesReport:
    return BuildSalesReport(report_id=command.report_id, sold_from=begin, sold_until=begin + timedelta(days=1))


def test_a_report_of_all_times_is_refused_before_anything_is_asked() -> None:
    run = Run()
    ever = BuildSalesReport(report_id="ever", sold_from=FIRST, sold_until=FIRST.replace(year=9999))
    with pytest.raises(ValueError, match="ask for several reports"):
        report(ever, sold, context(run))
    assert run.steps == []
