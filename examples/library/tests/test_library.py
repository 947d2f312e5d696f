"""The whole library in memory, where a year passes in a second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from verbwire import Accepted, Rejected
from verbwire.project import load_project
from verbwire.testing import InMemory

from producers.opening import opening
from schemas.books import ReturnBook
from schemas.lending import FindLoans, GetLoan, LoanReceipt, LoanStatus, RenewLoan, RequestLoan
from schemas.members import GetMember
from schemas.reminders import RemindMember

DAY = timedelta(days=1)


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
