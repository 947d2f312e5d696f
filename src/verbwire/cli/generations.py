"""``verbwire rebuild`` without a name: which tables and aggregates have generations, and what may be done next."""

from __future__ import annotations

import msgspec

from verbwire.cli.output import print_json, print_table, print_text
from verbwire.cli.spans import span
from verbwire.inspection.reading.cluster_view import ClusterView
from verbwire.rebuild.progress import RebuildProgress
from verbwire.rebuild.report import RebuildState, rebuilds

_COLUMNS = ("table", "serves", "since", "kept", "being built", "next")


def list_generations(view: ClusterView, as_json: bool) -> None:
    """Print what was ever rebuilt of the project, and the command that goes on with each."""
    found = rebuilds(view)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    if found.tables:
        print_table(_COLUMNS, map(generation_row, found.tables))
    else:
        print_text(
            "Nothing was rebuilt yet. `verbwire rebuild TABLE` makes the rows of a table anew, and compares them"
        )
    for what, why in found.unknown.items():
        print_text(f"? {what}: {why}")


def generation_row(found: RebuildState) -> tuple[str, ...]:
    """Return a table's generations as cells; ``-`` where there is none."""
    return (
        found.table,
        str(found.serving),
        span(found.seconds),
        "-" if found.kept is None else str(found.kept),
        _building(found),
        _next(found) or "-",
    )


def progress_text(found: RebuildProgress) -> str:
    """Return how far a rebuild is, in one line, without of what."""
    rate = "" if found.rate is None or not found.left else f", {found.rate:,.0f}/s"
    left = "" if found.seconds is None else f", {span(found.seconds)} left"
    return f"{found.records:,} records, {found.left:,} to go{rate}{left}"


def _building(found: RebuildState) -> str:
    if found.exchanging is not None:
        return f"{found.exchanging} is taken, partition by partition"
    if found.building is None:
        return "-"
    far = "" if found.progress is None else f": {progress_text(found.progress)}"
    by = "" if found.builders is None else f", by {'nobody' if not found.builders else found.builders}"
    return f"{found.building}{far}{by}"


def _next(found: RebuildState) -> str:
    if found.switching:
        return "a switch is under way"
    if found.exchanging is not None:
        return "--switch ends it"
    if found.building is not None:
        complete = found.progress is not None and not found.progress.left
        return "--switch, or --discard" if complete or found.building in found.followed else _further(found)
    if found.kept is not None:
        return "--forget, or --rollback"
    return ""


def _further(found: RebuildState) -> str:
    return "" if found.builders else f"`verbwire rebuild {found.table}` goes on with it, or --discard"
