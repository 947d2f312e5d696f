"""What is said of rows whose records are parked: what happened to them last is not in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from verbwire.engine.state.parked import ParkedKey
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.wire.freshness import HEADER, STALE

_SECONDS = 30  # an operator has to decide first


def parked_problem(table: str, its: ParkedKey) -> HttpProblem:
    """Return 503 ``parked``: since when, and how many records wait. Why is for operators: it may quote the data."""
    since = datetime.fromtimestamp(its.since / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    detail = (
        f"{its.records} records of this key wait since {since}, since the first cannot be handled: they are not in the "
        f"row of table {table}. Ask with {HEADER}: {STALE} for the row as it was before them"
    )
    return unavailable(problem_types.PARKED, detail, _SECONDS, {"since": since, "records": its.records})


def parked_summary(parked: Mapping[bytes, ParkedKey]) -> dict[str, Any]:
    """Return how much is parked in a partition, and since when."""
    return {
        "keys": len(parked),
        "records": sum(each.records for each in parked.values()),
        "since": min(each.since for each in parked.values()),
    }
