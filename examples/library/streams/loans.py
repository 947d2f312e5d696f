"""The table of loans: where each book is that was handed out. Folded from the events of books, under their loan."""

from __future__ import annotations

from msgspec.structs import replace
from verbwire import Table

from schemas.books import BookLent, BookReturned, LoanExtended
from schemas.lending import FindLoans, GetLoan, LoanRow, LoanStatus

loans = Table(
    "library.loans",
    row=LoanRow,
    answers=[GetLoan, FindLoans],
    index=["member_id", "status", "due_at"],
)


@loans.rekeys
def loan_of_lent(event: BookLent) -> str:
    """Count a book that was lent under its loan."""
    return event.loan_id


@loans.rekeys
def loan_of_extended(event: LoanExtended) -> str:
    """Count an extension under its loan."""
    return event.loan_id


@loans.rekeys
def loan_of_returned(event: BookReturned) -> str:
    """Count a return under its loan."""
    return event.loan_id


@loans.on
def lent(loan: LoanRow | None, event: BookLent) -> LoanRow:
    """The book is out."""
    return LoanRow(
        loan_id=event.loan_id,
        book_id=event.book_id,
        title=event.title,
        member_id=event.member_id,
        due_at=event.due_at,
    )


@loans.on
def extended(loan: LoanRow, event: LoanExtended) -> LoanRow:
    """It may stay out for longer."""
    return replace(loan, due_at=event.due_at, extended=loan.extended + 1)


@loans.on
def returned(loan: LoanRow, event: BookReturned) -> LoanRow:
    """It is back."""
    return replace(loan, status=LoanStatus.RETURNED)
