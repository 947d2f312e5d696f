"""``verbwire lag``: how far each group is behind, in records and seconds, once or live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from verbwire.cli.output import AsJson, print_json, print_table, print_text
from verbwire.cli.spans import span
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.lag import ConsumerGroupLag, LagReport

_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_COLUMNS = ("group", "kind", "records", "behind", "rate/s", "added/s", "there in", "parked", "worst partition")


def lag(
    groups: Annotated[list[str] | None, typer.Argument(help="Groups or folders, as declared; all by default.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, help="Between two samples, which tell rates.")] = 2.0,
    partitions: Annotated[bool, typer.Option("--partitions", "-p", help="Show each partition that is behind.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far each group is behind its inputs: records, seconds, when it will be there, what is parked.

    Asks Kafka alone.

    Where something is behind a second sample is taken, for the rates. With --watch and --json: a line a sample.

    \b
    verbwire lag
    verbwire lag --watch shop.orders shop.checkout
    """
    from verbwire.inspection.lag import LagSampler
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.project import load_project

    project = load_project(load_settings())
    with opened(project) as view:
        sampler = LagSampler(view, project.chosen(groups or []))
        report = sampler.sample()
        while True:
            if watch or any(each.records for each in report.groups):
                if watch:
                    _show(report, partitions=partitions, as_json=as_json, live=True)
                time.sleep(seconds)
                report = sampler.sample()
            if not watch:
                _show(report, partitions=partitions, as_json=as_json, live=False)
                return


def _show(report: LagReport, *, partitions: bool, as_json: bool, live: bool) -> None:
    if as_json and live:
        print(msgspec.json.encode(report).decode(), flush=True)
        return
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    if live and sys.stdout.isatty():
        print(_HOME_AND_CLEAR, end="")
    print_table(_COLUMNS, map(lag_row, report.groups))
    if partitions:
        print()
        print_table(
            ("group", "place", "committed", "end", "records", "behind", "committed by"), _partition_rows(report)
        )
    for what, why in report.unknown.items():
        print_text(f"? {what}: {why}")
    print(f"behind is measured by {report.clock} clock", flush=True)


def lag_row(group: ConsumerGroupLag) -> tuple[str, ...]:
    """Return a group's lag as cells; ``?`` is what is not known, ``-`` what there is nothing of."""
    if group.records is None:
        return group.group, group.kind, *("?",) * 5, parked_cell(group), "?"
    worst = next((each for each in group.partitions if each.records), None)
    return (
        group.group,
        group.kind,
        f"{group.records:,}",
        "-" if not group.records else span(group.seconds),
        _per_second(group.rate, group),
        _per_second(group.growth, group),
        "-" if not group.records else _end(group),
        parked_cell(group),
        "-" if worst is None else f"{worst.topic}/{worst.partition} ({worst.records:,})",
    )


def _per_second(rate: float | None, group: ConsumerGroupLag) -> str:
    if rate is None:  # two samples tell it, and one that is behind nothing has but one
        return "?" if group.records else "-"
    return f"{rate:,.0f}"


def parked_cell(group: ConsumerGroupLag | None) -> str:
    """Return how much of a group is parked."""
    if group is None or group.parked is None:
        return "?"
    found = group.parked
    return f"{found.records:,} of {found.keys:,} keys" if found.keys else "-"


def _end(group: ConsumerGroupLag) -> str:
    if group.rate is None:
        return "?"
    return "never, at this rate" if group.end_seconds is None else span(group.end_seconds)


def _partition_rows(report: LagReport) -> Iterator[tuple[str, ...]]:
    for group in report.groups:
        for each in group.partitions:
            if each.records:
                committed = "never" if each.committed is None else str(each.committed)
                place = f"{each.topic}/{each.partition}"
                records = f"{each.records:,}"
                yield group.group, place, committed, str(each.end), records, span(each.seconds), each.by or "?"
