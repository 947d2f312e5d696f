"""Opens the library: puts the books of a file onto the shelf, and takes the first members.

``python -m producers.opening``. It may be run again: what is there already is told, and nothing is changed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from verbwire import Command, Rejected
from verbwire.client import Client

from schemas.books import AddBook
from schemas.members import JoinLibrary

SHELF = Path(__file__).parent / "data" / "catalogue.csv"
MEMBERS = {"ann": "Ann", "bob": "Bob", "cleo": "Cleo"}


def main() -> None:
    """Ask for everything at once, then wait for each outcome."""
    with Client() as client:
        asked = [(command, client.ask(command, ttl=60)) for command in opening()]
        known = sum(isinstance(handle.result(60), Rejected) for _, handle in asked)
    print(f"{len(asked)} commands, {known} of which had been done before")


def opening() -> Iterator[Command]:
    """Yield what makes a library."""
    with SHELF.open(encoding="utf-8", newline="") as file:
        for card in csv.DictReader(file):
            yield AddBook(book_id=card["book_id"], title=card["title"], author=card["author"])
    for member_id, name in MEMBERS.items():
        yield JoinLibrary(member_id=member_id, name=name)


if __name__ == "__main__":
    main()
