"""Completeness of answers: whether a table has read all that there was when it was started.

"Not found" is a claim about all that has happened: a table that is still catching up says by how much it is behind.
"""

from __future__ import annotations

from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.forwarding.partial_list import PartialList, complete
from verbwire.http.tables.queryable_table import FoundRow, QueryableTable
from verbwire.wire.freshness import HEADER, STALE, encode_freshness


def freshness_header(found: FoundRow) -> dict[str, str]:
    """Return the freshness header of a row."""
    return {HEADER: STALE if found.stale else encode_freshness(found.behind)}


def require_complete(table: QueryableTable, behind: int | None) -> None:
    """Raise 503 ``catching_up`` where a row's partition is still behind."""
    if behind is not None:
        raise _catching_up(f"table {table.name} has {behind} records or more to read yet", behind)


def require_complete_list(table: QueryableTable, found: PartialList) -> None:
    """Raise 503 ``catching_up`` where partitions are still behind, or do not answer."""
    if not complete(found):
        late = f"partitions {', '.join(map(str, sorted({*found.behind, *found.missing})))} of table {table.name}"
        raise _catching_up(f"{late} are not complete", sum(found.behind.values()))


def not_found(absent: HttpProblem, found: FoundRow) -> HttpProblem:
    """Return the problem where no row was found: there is none, or the partition is still behind."""
    behind = found.behind
    if behind is None:
        return HttpProblem(absent.type, absent.detail, freshness_header(found))
    detail = f"{absent.detail} so far: the table is catching up, {behind} records or more are still to be read"
    return HttpProblem(absent.type, detail, freshness_header(found), {"behind": behind})


def _catching_up(late: str, behind: int) -> HttpProblem:
    problem = unavailable(problem_types.CATCHING_UP, f"{late}: ask again, or without {HEADER}", more={"behind": behind})
    headers = {**(problem.headers or {}), HEADER: encode_freshness(behind)}
    return HttpProblem(problem.type, problem.detail, headers, problem.more)
