"""``verbwire processes``: the open instances of processes, how old they are, and what they wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_error, print_json, print_table, print_text
from verbwire.cli.spans import span
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.processes import OpenInstance, ProcessReport

app = typer.Typer(no_args_is_help=True, help="Open instances of processes: how old they are, what they wait for.")
_COLUMNS = ("process", "key", "since", "last step", "waits for")
_NAMED = 3


@app.command("list")
def list_instances(
    process: Annotated[str | None, typer.Argument(help="A process, as declared; all by default.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many of each process.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List open instances, those that made no step for longest first. Read from Kafka: no worker has to run.

    \b
    verbwire processes list
    verbwire processes list shop.checkout --limit 5 --json
    """
    report = _asked([process] if process else [], limit, None)
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    if report.instances:
        print_table(_COLUMNS, (_row(each, report) for each in report.instances))
    for name, count in report.total.items():
        shown = sum(each.process == name for each in report.instances)
        more = f", {shown} of them shown (--limit)" if shown < count else ""
        print(f"{name}: {count:,} open{more}")
    for what, why in report.unknown.items():
        print_text(f"? {what}: {why}")


@app.command()
def show(
    process: Annotated[str, typer.Argument(help="A process, as declared.")],
    key: Annotated[str, typer.Argument(help="The instance's key, as the list shows it.")],
    as_json: AsJson = False,
) -> None:
    """Show an open instance: its state, and each command that it has sent with its outcome.

    \b
    verbwire processes show shop.checkout 536365
    """
    report = _asked([process], 1, key)
    if not report.instances:
        print_error(f"{process} has no open instance {key}: it has ended, or never began (`verbwire processes list`)")
        raise typer.Exit(Exit.FOUND)
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    (found,) = report.instances
    print_text(f"{found.process} {found.key} (partition {found.partition})")
    print_text(f"  since at least {_moment(found.since_ms)}, last step {span(found.seconds)} ago")
    print_text(f"  waits for {_waits(found, report)}")
    print_text(f"  state {json.dumps(found.state, ensure_ascii=False, default=str)}")
    if found.sent:
        print_table(("sent", "command", "outcome", "place", "id"), _commands(found))
    for what, why in report.unknown.items():
        print_text(f"? {what}: {why}")


def _asked(names: list[str], limit: int, key: str | None) -> ProcessReport:
    from verbwire.inspection.processes import open_instances
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.project import load_project

    with opened(load_project(load_settings())) as view:
        return open_instances(view, names, limit, key)


def _row(each: OpenInstance, report: ProcessReport) -> tuple[str, ...]:
    return each.process, each.key, _moment(each.since_ms), f"{span(each.seconds)} ago", _waits(each, report)


def _waits(each: OpenInstance, report: ProcessReport) -> str:
    if each.waits_for is None:
        return "?"
    if each.waits_for:
        named = [f"outcome of {_short(one.command)} ({span(one.seconds)})" for one in each.waits_for[:_NAMED]]
        return ", ".join(named) + (f" and {len(each.waits_for) - _NAMED} more" if len(each.waits_for) > _NAMED else "")
    return f"an event: {' or '.join(map(_short, report.events[each.process]))}"


def _commands(found: OpenInstance) -> Iterator[tuple[str, ...]]:
    for each in found.sent:
        yield f"{span(each.seconds)} ago", each.command, each.outcome or "waited for", each.place, each.id


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _moment(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
