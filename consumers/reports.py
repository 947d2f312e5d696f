"""The job of sales reports: asks for every minute of a time, day by day, and leaves a file. Nobody waits for it.

It asks over HTTP as anybody would, and may take minutes: it says how far it is, and hands its command back when its
worker has to stop. A report is known by its name, so that a command that comes again finds it and has nothing to do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from consumers.files import write_whole
from schemas.reports import BuildSalesReport
from schemas.sales import SalesMinuteRow, SalesPerMinute
from verbwire import Job, JobContext
from verbwire.client import Client, Connection, Page
from verbwire.project import load_settings

SCOPES = ("sales:read",)
COLUMNS = ("day", "country", "orders", "pence")
PAGE = 1000
DAY = timedelta(days=1)
LONGEST = 20 * 366 * DAY  # so long sales are kept; one report of all times would keep others waiting for days
_SECONDS = 60.0  # that one page may take, workers that move included

Sold: TypeAlias = Callable[[datetime, datetime], Iterable[SalesMinuteRow]]
"""Gives the minutes from one moment until another."""

reports = Job("shop.reports", scopes=SCOPES)


@reports.handles
def build(command: BuildSalesReport, context: JobContext) -> None:
    """Write the report, unless it is there."""
    file = report_file(command.report_id)
    if file.exists():
        return
    settings = load_settings(flags={"actor": reports.group, "scopes": SCOPES})
    with Client(Connection.of_project(settings)) as client:
        write_whole(file, report(command, lambda begin, end: minutes(client, begin, end), context))


def report(command: BuildSalesReport, sold: Sold, context: JobContext) -> str:
    """Return the report as CSV: what was sold on each day to each country, in that order.

    `ValueError` for a time longer than sales are kept.
    """
    if command.sold_until - command.sold_from > LONGEST:
        raise ValueError(f"{command.report_id} is about more than {LONGEST.days} days: ask for several reports")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    days = list(days_of(command.sold_from, command.sold_until))
    for number, (begin, end) in enumerate(days):
        if context.stopping:
            raise context.requeue()
        context.progress(number, len(days), f"{begin:%Y-%m-%d}")
        countries: dict[str, tuple[int, int]] = {}
        for minute in sold(begin, end):
            orders, pence = countries.get(minute.country, (0, 0))
            countries[minute.country] = orders + minute.orders, pence + minute.total_pence
        writer.writerows((f"{begin:%Y-%m-%d}", country, *sums) for country, sums in sorted(countries.items()))
    context.progress(len(days), len(days), "done")
    return text.getvalue()


def days_of(begin: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield each day, by UTC, as far as it lies between."""
    while begin < until:
        end = min(begin.replace(hour=0, minute=0, second=0, microsecond=0) + DAY, until)
        yield begin, end
        begin = end


def minutes(client: Client, begin: datetime, end: datetime) -> Iterator[SalesMinuteRow]:
    """Yield all minutes of a time; raises what the query raises, and `ConnectionError` for half an answer."""
    query = SalesPerMinute(minute_from=begin, minute_until=end, page_size=PAGE)
    page: Page[SalesMinuteRow] | None = None
    while True:
        page = client.query(query, _SECONDS, after=page).result()
        if not page.complete:
            raise ConnectionError("some of the sales cannot be read just now: the job is tried again")
        yield from page.rows
        if page.next is None:
            return


def report_file(report_id: str) -> Path:
    """Return where a report lies."""
    return load_settings().data_folder / "reports" / f"{quote(report_id, safe='')}.csv"
