"""``verbwire status``: one screen, the worst first; for three in the morning."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from verbwire.cli.exit_codes import Exit
from verbwire.cli.lag import parked_cell
from verbwire.cli.output import AsJson, print_json, print_table, print_text
from verbwire.cli.spans import span
from verbwire.cli.workers import ranges
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.group_status import GroupStatus
    from verbwire.inspection.status import StatusReport

_GROUPS = ("group", "kind", "partitions", "owners", "records", "behind", "there in", "parked", "dead letters")
_DECIDING = {"lag", "the directory of workers"}


def status(as_json: AsJson = False) -> None:
    """Show what runs and what does not: workers, groups, partitions by state, lag, dead letters, what is odd.

    Ends with 0 when all is well, 1 when something stands still, 3 when Kafka could not be asked.

    \b
    verbwire status
    verbwire status --json | jq '.oddities[]'
    """
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.inspection.status import status as asked
    from verbwire.project import load_project

    with opened(load_project(load_settings())) as view:
        report = asked(view)
    if as_json:
        print_json(msgspec.to_builtins(report, str_keys=True))
    else:
        _print(report)
    if _DECIDING & report.unknown.keys():
        sys.exit(Exit.UNAVAILABLE)
    if any(each.stands_still for each in report.oddities):
        sys.exit(Exit.FOUND)


def _print(report: StatusReport) -> None:
    for odd in report.oddities:
        print_text(f"{'STANDS STILL' if odd.stands_still else 'odd'}  {odd.about}: {odd.what}\n      {odd.do}")
    for what, why in report.unknown.items():
        print_text(f"?  {what}: {why}")
    if report.well and not report.oddities:
        print("all is well")
    print()
    print_table(_GROUPS, map(_row, report.groups))
    print()
    print_table(("worker", "state", "heard", "groups", "partitions", "stopped", "url"), _workers(report))


def _row(group: GroupStatus) -> tuple[str, ...]:
    lag = group.lag
    known = lag is not None and lag.records is not None
    end = lag.end_seconds if lag else None
    never = lag is not None and lag.rate is not None and end is None
    return (
        group.group,
        group.kind,
        "; ".join(f"{state} {ranges(some)}" for state, some in sorted(group.states.items())) or "?",
        ", ".join(group.owners) or ("none" if group.states else "?"),
        f"{lag.records:,}" if lag and known else "?",
        "?" if not (lag and known) else span(lag.seconds) if lag.records else "-",
        "?" if not (lag and known) else "-" if not lag.records else "never" if never else span(end),
        parked_cell(lag),
        "?" if group.dead_letters is None else str(group.dead_letters or "-"),
    )


def _workers(report: StatusReport) -> Iterator[tuple[str, ...]]:
    for each in report.workers:
        numbers = (str(each.groups), str(each.owned), str(each.stopped or "-"))
        yield each.name, each.state, f"{span(each.heard_seconds_ago)} ago", *numbers, each.url
