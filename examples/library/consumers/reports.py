"""The job of reports: what is out and what is late, as a file. A schedule asks for one each Monday."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime

from verbwire import Job, JobContext, Schedule
from verbwire.client import Client, Connection
from verbwire.project import load_settings

from schemas.lending import FindLoans, LoanRow, LoanStatus
from schemas.reports import BuildLoanReport

COLUMNS = ("loan", "book", "title", "member", "due", "late")
_SECONDS = 60.0  # that one page may take

reports = Job("library.reports", scopes=["loans:read"])

weekly = Schedule(
    "library.reports.weekly",
    cron="0 6 * * MON",
    timezone="Europe/London",
    sends=lambda due: BuildLoanReport(report_id=f"{due:%Y-%m-%d}", as_of=due),
    missed="latest",  # after a holiday of the workers one report is enough: the last
    scopes=["reports:write"],
)


@reports.handles
def build(command: BuildLoanReport, context: JobContext) -> None:
    """Write the report, unless it is there."""
    file = load_settings().data_folder / "reports" / f"{command.report_id}.csv"
    if file.exists():
        return
    settings = load_settings(flags={"actor": reports.group, "scopes": reports.scopes})
    with Client(Connection.of_project(settings)) as client:
        text = report(out(client), command.as_of)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)  # whole or not at all


def report(loans: Iterable[LoanRow], as_of: datetime) -> str:
    """Return the report as CSV, what has been due for longest first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for loan in loans:
        late = "late" if loan.due_at < as_of else ""
        writer.writerow((loan.loan_id, loan.book_id, loan.title, loan.member_id, f"{loan.due_at:%Y-%m-%d}", late))
    return text.getvalue()


def out(client: Client) -> Iterator[LoanRow]:
    """Yield all loans that are out, page by page."""
    query, page = FindLoans(status=LoanStatus.OUT, page_size=1000), None
    while True:
        page = client.query(query, _SECONDS, after=page, complete=True).result()
        yield from page.rows
        if page.next is None:
            return
