"""Lists that responders answer: the part that is asked for, and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R_co = TypeVar("R_co", covariant=True, default=Any)
else:  # before Python 3.13 a TypeVar has no default, and type checkers alone want one
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)

LONGEST_NEXT = 2048
"""Bytes of a responder's own cursor, as UTF-8: it travels in the address of the next page."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The part of a list that is asked for: up to `size` rows, from behind `cursor`.

    `cursor` is what the responder itself has given as the `next` of the page before, for the same query and the same
    principal; None: from the beginning. It says where to go on, and not what its bearer may see: who knows how can make
    one.
    """

    size: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Rows(Generic[R_co]):
    """A responder's answer to a query for a list: the rows of one page, in order.

    `complete` is its own word for whether they are taken from all that there is: not so, where a search engine has
    left out a shard, or a replica is behind. `next` is any text by which it finds the rows that follow; None: this is
    the last page.
    """

    rows: Sequence[R_co]
    complete: bool
    next: str | None = None
