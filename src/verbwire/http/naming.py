"""Finding a table by its full name or by any dotted end of it that no other table shares."""

from __future__ import annotations

from collections.abc import Sequence

from verbwire.http.problem import Problem
from verbwire.http.served import ServedTable


class Tables:
    """The tables of one worker, by name."""

    def __init__(self, tables: Sequence[ServedTable]) -> None:
        self.all = sorted(tables, key=lambda table: table.name)
        self._full = {table.name: table for table in self.all}
        self._ends: dict[str, list[ServedTable]] = {}
        for table in self.all:
            for end in _ends(table.name):
                self._ends.setdefault(end, []).append(table)

    def find(self, name: str) -> ServedTable:
        """Return the table; 404 for an unknown name, 400 for an end that several share."""
        if name in self._full:
            return self._full[name]
        found = self._ends.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            choices = [table.name for table in found]
            detail = f"{name} is ambiguous: say {' or '.join(choices)}"
            raise Problem(400, "ambiguous_table", detail, more={"choices": choices})
        raise Problem(404, "no_such_table", "no table has this name: GET /tables lists them")

    def short_names(self, table: ServedTable) -> list[str]:
        """Return the ends of its name that mean this table and no other, longest first."""
        return [end for end in _ends(table.name) if end not in self._full and len(self._ends[end]) == 1]


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(1, len(parts))]
