"""Turns typed search terms into an expression of the full text index."""

from __future__ import annotations

from verbwire.errors import UnencodableError

MAX_WORDS = 20
MAX_TERM = 300  # characters


def match_expression(term: str) -> str:
    """Return the expression that finds texts with all words of a term; a word that ends in ``*`` is how one begins.

    Nothing else has a meaning: no operators, no columns. UnencodableError where there is no word to look for.
    """
    if len(term) > MAX_TERM:
        raise UnencodableError(f"the search has {len(term)} characters: write {MAX_TERM} at most")
    words = [word for word in term.split() if any(letter.isalnum() for letter in word)]
    if not 0 < len(words) <= MAX_WORDS:
        raise UnencodableError(f"the search has {len(words)} words: write one to {MAX_WORDS}, with spaces between them")
    return " ".join(map(_phrase, words))


def _phrase(word: str) -> str:
    quoted = word.rstrip("*").replace('"', '""').replace("\x00", " ")
    return f'"{quoted}"{"*" if word.endswith("*") else ""}'
