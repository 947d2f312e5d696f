"""The aggregate of books: each is on the shelf, or out on one loan."""

from __future__ import annotations

from msgspec.structs import replace
from verbwire import Aggregate, Rejected

from schemas.books import (
    AddBook,
    BookAdded,
    BookLent,
    BookReturned,
    BookState,
    ExtendLoan,
    LendBook,
    LoanExtended,
    ReturnBook,
)

books = Aggregate("library.books", state=BookState)


@books.handles
def add(command: AddBook, book: BookState | None) -> BookAdded | Rejected:
    """Put a book of a new number onto the shelf."""
    if book is not None:
        return Rejected("added_already", f"{book.book_id} is {book.title}")
    return BookAdded(book_id=command.book_id, title=command.title, author=command.author)


@books.handles
def lend(command: LendBook, book: BookState | None) -> BookLent | Rejected:
    """Hand out a book that is on the shelf."""
    if book is None:
        return Rejected("no_such_book", f"there is no book {command.book_id}")
    if book.loan_id is not None:
        return Rejected("lent_already", f"{book.title} is out on loan {book.loan_id}")
    return BookLent(
        book_id=book.book_id,
        title=book.title,
        loan_id=command.loan_id,
        member_id=command.member_id,
        due_at=command.due_at,
    )


@books.handles
def extend(command: ExtendLoan, book: BookState | None) -> LoanExtended | Rejected:
    """Let a book stay out that is out on this loan."""
    if book is None or book.member_id is None or book.loan_id != command.loan_id:
        return Rejected("not_lent", f"{command.book_id} is not out on loan {command.loan_id}")
    return LoanExtended(
        book_id=book.book_id,
        title=book.title,
        loan_id=command.loan_id,
        member_id=book.member_id,
        due_at=command.due_at,
    )


@books.handles
def take_back(command: ReturnBook, book: BookState | None) -> BookReturned | Rejected:
    """Take a book back, whoever brings it."""
    if book is None or book.loan_id is None or book.member_id is None:
        return Rejected("not_lent", f"{command.book_id} is not out")
    return BookReturned(book_id=book.book_id, title=book.title, loan_id=book.loan_id, member_id=book.member_id)


@books.applies
def added(book: BookState | None, event: BookAdded) -> BookState:
    """It is on the shelf."""
    return BookState(book_id=event.book_id, title=event.title)


@books.applies
def lent(book: BookState, event: BookLent) -> BookState:
    """It is out."""
    return replace(book, loan_id=event.loan_id, member_id=event.member_id)


@books.applies
def extended(book: BookState, event: LoanExtended) -> BookState:
    """It stays out: the shelf keeps no dates."""
    return book


@books.applies
def returned(book: BookState, event: BookReturned) -> BookState:
    """It is on the shelf again."""
    return replace(book, loan_id=None, member_id=None)
