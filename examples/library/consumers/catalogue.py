"""The old catalogue: a database that was there before, behind a typed query. Nothing of it is copied to Kafka."""

from __future__ import annotations

import asyncio
import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from verbwire import PageRequest, Responder, Rows, resource

from schemas.catalogue import CatalogueCard, FindInCatalogue

CARDS = Path(__file__).parents[1] / "producers" / "data" / "catalogue.csv"


@resource
def cards() -> Iterator[sqlite3.Connection]:
    """The database, open while a worker runs; here it is made of a file, elsewhere it is a pool of connections."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("create table cards (book_id text primary key, title text, author text, year integer)")
    with CARDS.open(encoding="utf-8", newline="") as file:
        database.executemany("insert into cards values (:book_id, :title, :author, :year)", csv.DictReader(file))
    yield database
    database.close()


catalogue = Responder("library.catalogue", concurrency=1)  # one connection, one question at a time


@catalogue.answers
async def find(query: FindInCatalogue, page: PageRequest) -> Rows[CatalogueCard]:
    """Find cards by words, in order of their numbers; a cursor is the number of the last card of a page."""
    found = await asyncio.to_thread(_select, query.words, page.cursor or "", page.size + 1)
    rest = found[page.size - 1].book_id if len(found) > page.size else None
    return Rows(found[: page.size], complete=True, next=rest)


def _select(words: str, after: str, most: int) -> list[CatalogueCard]:
    like = [f"%{word}%" for word in words.split()]
    where = " and ".join(["book_id > ?", *("title || ' ' || author like ?" for _ in like)])
    rows = cards.value.execute(
        f"select book_id, title, author, year from cards where {where} order by book_id limit ?",
        (after, *like, most),
    )
    return [CatalogueCard(book_id=row[0], title=row[1], author=row[2], year=row[3]) for row in rows]
