"""Opens the library, lends some books, and shows what became of each request: `make demo`."""

from __future__ import annotations

from verbwire.client import Client

from producers.opening import opening
from schemas.books import ReturnBook
from schemas.catalogue import FindInCatalogue
from schemas.lending import FindLoans, LoanStatus, RenewLoan, RequestLoan

COMMANDS = (
    RequestLoan(loan_id="ann-1", book_id="b023", member_id="ann"),
    RequestLoan(loan_id="bob-1", book_id="b023", member_id="bob"),  # it is out
    RequestLoan(loan_id="ann-2", book_id="b001", member_id="ann"),
    RequestLoan(loan_id="ann-3", book_id="b002", member_id="ann"),
    RequestLoan(loan_id="ann-4", book_id="b003", member_id="ann"),  # three are the most
    RenewLoan(loan_id="ann-1"),
    ReturnBook(book_id="b001"),
)


def main() -> None:
    """Ask for all of it, one after another, then for what is out."""
    with Client() as client:
        for handle in [client.ask(command, ttl=60) for command in opening()]:
            handle.result(60)
        print("FindInCatalogue joyce")
        for card in client.query(FindInCatalogue(words="joyce"), 60).result().rows:
            print(f"  -> {card}")
        for command in COMMANDS:
            print(f"{command}\n  -> {client.ask(command, ttl=60).result(60)}")
        print("\nFindLoans OUT")
        for row in client.query(FindLoans(status=LoanStatus.OUT), 60).result().rows:
            print(f"  -> {row}")


if __name__ == "__main__":
    main()
