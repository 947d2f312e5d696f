"""The catalogue, asked as a client asks it, in memory."""

from __future__ import annotations

from verbwire.project import load_project
from verbwire.testing import InMemory

from schemas.catalogue import FindInCatalogue


def test_the_catalogue_finds_words_page_by_page() -> None:
    with InMemory(load_project()) as library:
        first = library.query(FindInCatalogue(words="austen", page_size=1))
        assert [card.title for card in first.rows] == ["Pride and Prejudice"]
        rest = library.query(FindInCatalogue(words="austen", page_size=1), after=first)
        assert [card.title for card in rest.rows] == ["Emma"]
        assert rest.next is None
