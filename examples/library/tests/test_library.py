"""The whole library in memory, where a year passes in a second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from verbwire import Accepted, Rejected
from verbwire.project import load_project
from verbwire.testing import InMemory

from consumers.reports import report, reports
from producers.opening import opening
from schemas.books import ReturnBook
from schemas.lending import FindLoans, GetLoan, LoanReceipt, LoanRow, LoanStatus, RenewLoan, RequestLoan
from schemas.members import GetMember
from schemas.reminders import RemindMember
from schemas.reports import BuildLoanReport

DAY = timedelta(days=1)
LONDON = ZoneInfo("Europe/London")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemory]:
    monkeypatch.setenv("VERBWIRE_DATA", str(tmp_path))  # letters and reports
    with InMemory(load_project()) as library:
        for command in opening():
            assert library.ask(command) == Accepted()
        yield library


def request(number: int, book: str = "", member: str = "ann") -> RequestLoan:
    return RequestLoan(loan_id=str(number), book_id=book or f"b{number:03}", member_id=member)


def test_who_asks_for_a_book_gets_the_receipt(library: InMemory) -> None:
    answer = library.ask(request(1))
    assert isinstance(answer, Accepted)
    assert isinstance(answer.reply, LoanReceipt)
    loan = library.query(GetLoan(loan_id="1"))
    assert (loan.title, loan.status, loan.due_at) == ("Pride and Prejudice", LoanStatus.OUT, answer.reply.due_at)


def test_three_books_are_the_most_until_one_is_back(library: InMemory) -> None:
    for number in (1, 2, 3):
        assert isinstance(library.ask(request(number)), Accepted)
    refused = library.ask(request(4))
    assert isinstance(refused, Rejected)
    assert refused.code == "limit_reached"
    library.ask(ReturnBook(book_id="b002"))
    assert library.query(GetMember(member_id="ann")).books_out == 2
    assert isinstance(library.ask(request(5)), Accepted)


def test_a_book_that_is_out_is_counted_for_nobody_else(library: InMemory) -> None:
    library.ask(request(1))
    refused = library.ask(request(2, "b001", "bob"))
    assert isinstance(refused, Rejected)
    assert refused.code == "lent_already"
    assert library.query(GetMember(member_id="bob")).books_out == 0


def test_reminders_go_out_from_the_day_on_which_a_book_is_due(library: InMemory) -> None:
    library.ask(request(1))
    library.advance(13 * DAY)
    assert library.commands(RemindMember) == []
    library.advance(2 * DAY)
    assert [each.nth for each in library.commands(RemindMember)] == [1]
    library.advance(60 * DAY)
    assert [each.nth for each in library.commands(RemindMember)] == [1, 2, 3]


def test_a_renewed_book_is_late_two_weeks_later(library: InMemory) -> None:
    library.ask(request(1))
    assert isinstance(library.ask(RenewLoan(loan_id="1")), Accepted)
    library.advance(27 * DAY)
    assert library.commands(RemindMember) == []
    library.ask(ReturnBook(book_id="b001"))
    library.advance(60 * DAY)
    assert library.commands(RemindMember) == []
    assert library.query(FindLoans(status=LoanStatus.OUT)).rows == ()


def test_a_membership_ends_after_a_year(library: InMemory) -> None:
    library.advance(364 * DAY)
    assert library.query(GetMember(member_id="ann")).active
    library.advance(2 * DAY)
    assert not library.query(GetMember(member_id="ann")).active
    refused = library.ask(request(1))
    assert isinstance(refused, Rejected)
    assert refused.code == "no_member"


def test_each_monday_at_six_in_london_a_report_is_asked_for(library: InMemory) -> None:
    with library.paused(reports):  # asked for is enough here
        library.advance(28 * DAY)
    asked = library.commands(BuildLoanReport)
    assert len(asked) == 4
    assert {(each.as_of.astimezone(LONDON).strftime("%a %H:%M")) for each in asked} == {"Mon 06:00"}


def test_a_report_says_what_is_late() -> None:
    loan = LoanRow(loan_id="1", book_id="b001", title="Emma", member_id="ann", due_at=datetime(2026, 3, 1, tzinfo=UTC))
    text = report([loan], datetime(2026, 3, 2, tzinfo=UTC))
    assert text.splitlines()[1] == "1,b001,Emma,ann,2026-03-01,late"
