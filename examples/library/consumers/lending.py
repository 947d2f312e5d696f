"""The process of lending: from a request until the book is back. It answers who asks, and reminds who forgets.

Two receivers decide on a request: the desk of members, which counts to three, and the shelf, where a book is or is not.
Who asks waits for that, and gets the receipt, or why not. Then nothing happens for two weeks. Each week that a book is
late a reminder goes out, three in all; what is still out then is for people, who find it by `verbwire processes list`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from msgspec.structs import replace
from verbwire import (
    Accepted,
    Command,
    Deadline,
    Outcome,
    OutcomeContext,
    Process,
    Rejected,
    expiring,
)
from verbwire.declarations.expiring import Expiring

from schemas.books import BookReturned, ExtendLoan, LendBook
from schemas.lending import LendingState, LendingStep, LoanReceipt, RenewLoan, RequestLoan
from schemas.members import AdmitLoan, ReleaseLoan
from schemas.reminders import RemindMember

lending = Process(
    "library.lending",
    state=LendingState,
    sends=[AdmitLoan, LendBook, ExtendLoan, ReleaseLoan, RemindMember],
    ignores=[ReleaseLoan, ExtendLoan],  # there is nothing to do about a no of either
    scopes=["books:write", "members:write", "reminders:write"],
)

TERM = timedelta(days=14)
WEEK = timedelta(days=7)
MOST_RENEWALS = 2
MOST_REMINDERS = 3
LATE = "late"

Answer: TypeAlias = Accepted[LoanReceipt] | Rejected


@lending.receives
def requested(state: LendingState | None, command: RequestLoan) -> tuple[LendingState, AdmitLoan] | Rejected:
    """Begin with the member: one who has three books gets no further."""
    if state is not None:
        return Rejected("requested_already", f"loan {command.loan_id} is under way")
    state = LendingState(loan_id=command.loan_id, book_id=command.book_id, member_id=command.member_id)
    return state, AdmitLoan(member_id=command.member_id, loan_id=command.loan_id)


@lending.outcome_of(AdmitLoan)
def admitted(
    state: LendingState | None, outcome: Outcome[None], context: OutcomeContext
) -> tuple[LendingState | None, LendBook | Rejected] | None:
    """Go on to the shelf, or say no."""
    if state is None:
        return None
    if not isinstance(outcome, Accepted):
        return None, _refused(outcome)
    due_at = context.time + TERM
    lend = LendBook(book_id=state.book_id, loan_id=state.loan_id, member_id=state.member_id, due_at=due_at)
    return replace(state, step=LendingStep.LENDING, due_at=due_at), lend


@lending.outcome_of(LendBook)
def lent(
    state: LendingState | None, outcome: Outcome[None]
) -> tuple[LendingState | None, *tuple[Command | Deadline | Answer, ...]] | None:
    """Hand over the receipt, and wait for the book; or count it off again, and say no."""
    if state is None or state.due_at is None:
        return None
    if not isinstance(outcome, Accepted):
        return None, ReleaseLoan(member_id=state.member_id, loan_id=state.loan_id), _refused(outcome)
    return replace(state, step=LendingStep.LENT), _receipt(state, state.due_at), Deadline(LATE, at=state.due_at)


@lending.receives
def renewed(
    state: LendingState | None, command: RenewLoan
) -> tuple[LendingState, ExtendLoan, Accepted[LoanReceipt], Deadline] | Rejected:
    """Give two weeks more, from the day on which the book was due."""
    if state is None or state.step is not LendingStep.LENT or state.due_at is None:
        return Rejected("not_lent", f"nothing is out on loan {command.loan_id}")
    if state.renewals >= MOST_RENEWALS:
        return Rejected("renewed_often", f"loan {state.loan_id} was renewed {state.renewals} times")
    due_at = state.due_at + TERM
    state = replace(state, due_at=due_at, renewals=state.renewals + 1)
    extend = ExtendLoan(book_id=state.book_id, loan_id=state.loan_id, due_at=due_at)
    return state, extend, _receipt(state, due_at), Deadline(LATE, at=due_at)


@lending.due(LATE)
def late(state: LendingState) -> LendingState | tuple[LendingState, *tuple[Expiring | Deadline, ...]]:
    """Remind the member, and look again in a week; after the third time it is for people to look after."""
    if state.due_at is None or state.reminders >= MOST_REMINDERS:
        return state
    nth = state.reminders + 1
    remind = RemindMember(
        loan_id=state.loan_id, member_id=state.member_id, book_id=state.book_id, due_at=state.due_at, nth=nth
    )
    # Letters that could not be written within a week are the next reminder's.
    return replace(state, reminders=nth), expiring(WEEK, remind), Deadline(LATE, after=WEEK)


@lending.on(key="loan_id")
def returned(
    state: LendingState | None, event: BookReturned
) -> tuple[None, *tuple[ReleaseLoan | Accepted[LoanReceipt], ...]] | None:
    """The book is back: the loan is over, and its deadline with it."""
    if state is None:
        return None
    release = ReleaseLoan(member_id=state.member_id, loan_id=state.loan_id)
    if state.step is LendingStep.LENDING and state.due_at is not None:  # sooner than the shelf's answer was heard
        return None, release, _receipt(state, state.due_at)
    return None, release


@lending.cancelled
def written_off(state: LendingState, reason: str) -> tuple[None, ReleaseLoan]:
    """An operator gives a book up for lost: it does not count for the member any more."""
    return None, ReleaseLoan(member_id=state.member_id, loan_id=state.loan_id)


def _receipt(state: LendingState, due_at: datetime) -> Accepted[LoanReceipt]:
    return Accepted(reply=LoanReceipt(loan_id=state.loan_id, due_at=due_at))


def _refused(outcome: Outcome[None]) -> Rejected:
    """Return what a receiver has said as the process's own answer: the codes of a no are the same."""
    return outcome if isinstance(outcome, Rejected) else Rejected("try_later", "nobody could decide about it")
