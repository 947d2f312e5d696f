"""Lists of rows: which rows, in which order and which part of them a request wants, and the answer as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any
from urllib.parse import urlencode

import msgspec

from verbwire.errors import MessageError
from verbwire.http.avro_json import encode
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem, page_too_large
from verbwire.http.base.requests import parameters
from verbwire.http.forwarding.partial_list import PartialList, complete
from verbwire.http.tables import paging
from verbwire.http.tables.paging import PageWindow
from verbwire.http.tables.parameters import bad_parameter, parameter_reader
from verbwire.queries.plan import PAGING, QueryableRow, QueryPlan
from verbwire.queries.selection import Condition, Selection

_REMEMBERED, _SHORT = 256, 500  # lists that need not be read again, and bytes of a query that is remembered
_PLACED = ("page", "page_size", "cursor")  # known to every list, whether its contract says so or not


@dataclass(frozen=True, slots=True)
class Listing:
    """One list that is wanted. `path` and `given` are what it was asked with."""

    name: str  # of the table or of the query
    selection: Selection
    window: PageWindow
    path: str
    given: Mapping[str, str]

    def restricted(self, conditions: Sequence[Condition]) -> Listing:
        """Return the list of those rows that pass these conditions as well: what the principal may see."""
        return replace(self, selection=replace(self.selection, conditions=(*self.selection.conditions, *conditions)))

    def answer(self, head: Mapping[str, Any], found: PartialList, most: int) -> bytes:
        """Return the answer: rows behind those that are skipped, and what is known of all of them.

        Rows beyond `most` bytes end it early: then it has no number, and goes on by `next`. 400 where the
        page was asked for by another number than the first, since the numbers of pages no longer count rows.

        ``complete`` says whether that is all partitions, each of which has read what its inputs held when it was
        started; ``behind`` says which have not, and by how many records. ``positions`` holds, per partition and input
        topic, the next offset to be applied: every row is at least as new, but for those of as many keys as are
        ``parked``, whatever the list is of.
        """
        window = self.window
        wanted = found.rows[window.skip : window.skip + window.size]
        rows = _fitting(wanted, most)
        cut = len(rows) < len(wanted) or (found.more and len(found.rows) < window.skip + window.size)
        if cut and window.skip:
            raise self._too_large(found)
        more = found.more or len(found.rows) > window.skip + len(rows)
        return encode.encode(
            {
                **head,
                "page": None if window.after or cut else window.skip // window.size + 1,
                "page_size": window.size,
                "rows": [msgspec.Raw(row) for _, row in rows],
                "complete": complete(found),
                "missing_partitions": found.missing,
                "behind": {str(partition): records for partition, records in found.behind.items()},
                "parked": found.parked,
                "positions": {str(partition): inputs for partition, inputs in found.positions.items()},
                "next": self._following(rows[-1][0]) if rows and more else None,
            }
        )

    def _too_large(self, found: PartialList) -> HttpProblem:
        skipped = found.rows[: self.window.skip]
        following = self._following(skipped[-1][0] if len(skipped) == self.window.skip else b"")
        return page_too_large(f"the rows are too large for pages of {self.window.size}", {"next": following})

    def _following(self, place: bytes) -> str:
        """Return where the list goes on behind a place, or begins."""
        kept = {name: text for name, text in self.given.items() if name not in _PLACED}
        behind = {"cursor": paging.cursor(cursor_scope(self.name, self.selection), place)} if place else {}
        return f"{self.path}?{urlencode({**kept, 'page_size': self.window.size, **behind})}"


class Lists:
    """Reads the requests for the lists of one plan; `defaults` are those of the query's class."""

    def __init__(self, name: str, path: str, plan: QueryPlan, defaults: Mapping[str, Any] | None = None) -> None:
        self.plan = plan
        self._name = name
        self._path = path
        self._defaults = defaults or {}
        fields = [each for each in plan.query.schema["fields"] if each["name"] not in PAGING]
        self._remembered = lru_cache(_REMEMBERED)(self._parse)
        self._read = parameter_reader(replace(plan.query, schema={**plan.query.schema, "fields": fields}))
        self._allowed = tuple(dict.fromkeys((*plan.query.fields, *_PLACED)))

    def read(self, query: bytes) -> Listing:
        """Return the list that a query string asks for; 400 for what makes no sense."""
        return self._remembered(query) if len(query) <= _SHORT else self._parse(query)

    def _parse(self, query: bytes) -> Listing:
        given = parameters(query, self._allowed)
        values = {**self._defaults, **self._read({name: each for name, each in given.items() if name not in _LEFT_OUT})}
        sort, descending = _order(self.plan.rows, given.get("sort", values.get("sort")))
        try:
            selection = replace(self.plan.selection(values), sort=sort, descending=descending)
        except MessageError as error:
            raise HttpProblem(problem_types.BAD_PARAMETER, str(error)) from None
        window = paging.window(cursor_scope(self._name, selection), given, values)
        _require_place(selection, window)
        return Listing(self._name, selection, window, self._path, given)


def _fitting(rows: list[tuple[bytes, bytes]], most: int) -> list[tuple[bytes, bytes]]:
    """Return as many of them as an answer may have bytes of, and one at least."""
    sizes = accumulate(len(row) for _, row in rows)
    return rows[: max(1, sum(size <= most for size in sizes))]


_LEFT_OUT = {*PAGING, *_PLACED}


def cursor_scope(name: str, selection: Selection) -> str:
    """Return what a cursor belongs to: the list's name and its order."""
    return f"{name} {selection.order}".rstrip()


def _require_place(selection: Selection, window: PageWindow) -> None:
    try:
        selection.at(window.after)
    except ValueError:
        if window.after:
            raise paging.bad_cursor() from None


def _order(rows: QueryableRow, text: str | None) -> tuple[str | None, bool]:
    if not text:
        return None, False
    name = text.removeprefix("-")
    if name not in rows.columns:
        choices = ", ".join(rows.columns) or "nothing, there is no index"
        raise bad_parameter("sort", f"{text[:80]!r} is no order: write {choices}; - before it turns the order around")
    return name, text.startswith("-")
