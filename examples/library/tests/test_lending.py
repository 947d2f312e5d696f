"""Lending, step by step: what the process does about each thing that it hears."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace
from verbwire import Accepted, Deadline, Rejected, expiring
from verbwire.project import load_catalog
from verbwire.testing import CONTEXT, given

from consumers.lending import LATE, TERM, WEEK, lending
from schemas.books import BookReturned, ExtendLoan, LendBook
from schemas.lending import LendingState, LendingStep, LoanReceipt, RenewLoan, RequestLoan
from schemas.members import AdmitLoan, ReleaseLoan
from schemas.reminders import RemindMember

CATALOG = load_catalog()

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
REQUEST = RequestLoan(loan_id="1", book_id="b023", member_id="ann")
ASKED = LendingState(loan_id="1", book_id="b023", member_id="ann")
LENT = replace(ASKED, step=LendingStep.LENT, due_at=NOON + TERM)
DUE = CONTEXT.time + TERM
RECEIPT_OF_TODAY = Accepted(reply=LoanReceipt(loan_id="1", due_at=DUE))
RELEASE = ReleaseLoan(member_id="ann", loan_id="1")
RETURNED = BookReturned(book_id="b023", title="Ulysses", loan_id="1", member_id="ann")


def test_a_request_asks_the_desk_and_then_the_shelf() -> None:
    asked = (
        given(lending, catalog=CATALOG).when(REQUEST).then(AdmitLoan(member_id="ann", loan_id="1")).then_state(ASKED)
    )
    lend = asked.when(Accepted(), of=AdmitLoan)
    assert isinstance(lend.commands[0], LendBook)
    lent = lend.when(Accepted(), of=LendBook)
    lent.then(RECEIPT_OF_TODAY, Deadline(LATE, at=DUE)).then_state(replace(LENT, due_at=DUE))


def test_a_no_of_the_shelf_is_counted_off_and_answered() -> None:
    no = Rejected("lent_already", "Ulysses is out on loan 7")
    asked = given(lending, catalog=CATALOG).when(REQUEST).when(Accepted(), of=AdmitLoan)
    asked.when(no, of=LendBook).then(RELEASE, no).then_state(None)


def test_a_late_book_is_reminded_of_three_times() -> None:
    state = LENT
    for nth in (1, 2, 3):
        step = given(lending, state=state, catalog=CATALOG).due(LATE)
        remind = RemindMember(loan_id="1", member_id="ann", book_id="b023", due_at=NOON + TERM, nth=nth)
        state = replace(state, reminders=nth)
        step.then(expiring(WEEK, remind), Deadline(LATE, after=WEEK)).then_state(state)
    given(lending, state=state, catalog=CATALOG).due(LATE).then().then_state(state)


def test_a_loan_is_renewed_twice() -> None:
    due_at = NOON + 2 * TERM
    renewed = given(lending, state=LENT, catalog=CATALOG).when(RenewLoan(loan_id="1"))
    receipt = Accepted(reply=LoanReceipt(loan_id="1", due_at=due_at))
    renewed.then(ExtendLoan(book_id="b023", loan_id="1", due_at=due_at), Deadline(LATE, at=due_at), receipt)
    often = replace(LENT, renewals=2)
    given(lending, state=often, catalog=CATALOG).when(RenewLoan(loan_id="1")).then_rejected("renewed_often")


def test_a_book_that_is_back_ends_the_loan_also_before_its_receipt() -> None:
    given(lending, state=LENT, catalog=CATALOG).when(RETURNED).then(RELEASE).then_state(None)
    lending_it = given(lending, catalog=CATALOG).when(REQUEST).when(Accepted(), of=AdmitLoan)
    lending_it.when(RETURNED).then(RELEASE, RECEIPT_OF_TODAY).then_state(None)


def test_a_book_given_up_does_not_count_for_its_member() -> None:
    given(lending, state=LENT, catalog=CATALOG).cancel("lost at sea").then(RELEASE).then_state(None)
