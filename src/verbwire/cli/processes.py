"""``verbwire processes``: the open instances of processes, how old they are, and what they wait for."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_error, print_json, print_table, print_text, shown_time
from verbwire.cli.spans import span
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.processes import OpenInstance, ProcessReport
    from verbwire.leading.instances import InstanceLeader

app = typer.Typer(no_args_is_help=True, help="Open instances of processes: list, show, retry, cancel them.")
_COLUMNS = ("process", "key", "since", "last step", "waits for")
_NAMED = 3
Name = Annotated[str, typer.Argument(help="A process, as declared.")]
InstanceKey = Annotated[str, typer.Argument(help="The instance's key, as the list shows it.")]
Why = Annotated[str, typer.Option("--why", help="For the log.")]
WaitsFor = Annotated[str | None, typer.Option("--waits-for", help="Those that wait for the outcome of this command.")]
AtStep = Annotated[str | None, typer.Option("--step", help="Those whose last step was this event, command or due ...")]
Older = Annotated[float, typer.Option("--older", min=0, help="Those whose last step was so many seconds ago.")]
OfVersion = Annotated[int | None, typer.Option("--version", help="Those of a version of the process.")]


@app.command("list")
def list_instances(
    process: Annotated[str | None, typer.Argument(help="A process, as declared; all by default.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many of each process.")] = 50,
    waits_for: WaitsFor = None,
    step: AtStep = None,
    older: Older = 0.0,
    version: OfVersion = None,
    as_json: AsJson = False,
) -> None:
    """List open instances, those that made no step for longest first. Read from Kafka: no worker has to run.

    \b
    verbwire processes list
    verbwire processes list shop.checkout --limit 5 --json
    verbwire processes list --waits-for DebitBalance --older 3600
    """
    where = InstanceWhere(waits_for=waits_for, step=step, seconds=older, version=version)
    report = _asked([process] if process else [], limit, where)
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    if report.instances:
        print_table(_COLUMNS, (_row(each, report) for each in report.instances))
    if not report.total and not report.unknown:
        print("this project has no process")
    for name, count in report.total.items():
        shown = sum(each.process == name for each in report.instances)
        more = f", {shown} of them shown (--limit)" if shown < count else ""
        print(f"{name}: {count:,} open{more}")
    for each in report.waiting:
        print_text(f"  {each.process}: {each.instances:,} wait for {each.what}, the oldest for {span(each.seconds)}")
    for what, why in report.unknown.items():
        print_text(f"? {what}: {why}")


@app.command()
def show(
    process: Name,
    key: InstanceKey,
    as_json: AsJson = False,
) -> None:
    """Show an open instance: its state, its steps, its deadlines, each command that it has sent with its outcome.

    \b
    verbwire processes show shop.checkout 536365
    """
    report = _asked([process], 1, InstanceWhere(key=key))
    if not report.instances:
        print_error(f"{process} has no open instance {key}: it has ended, or never began (`verbwire processes list`)")
        raise typer.Exit(Exit.FOUND)
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    (found,) = report.instances
    print_text(f"{found.process} {found.key} (partition {found.partition})")
    at_least = "" if found.known else "at least "
    print_text(
        f"  since {at_least}{shown_time(found.since_ms)}, last step {span(found.seconds)} ago, version {found.version}"
    )
    print_text(f"  waits for {_waits(found, report)}")
    for name, due_ms in found.deadlines.items():
        print_text(f"  deadline {name} at {shown_time(due_ms)}")
    if found.trouble:
        print_text(f"  what was asked at last could not be done: {found.trouble}")
    print_text(f"  state {json.dumps(found.state, ensure_ascii=False, default=str)}")
    if found.history:
        print_table(("step", "at"), [(each.what, shown_time(each.at_ms)) for each in found.history])
    if found.sent:
        print_table(("sent", "command", "outcome", "place", "id"), _commands(found))
    for what, why in report.unknown.items():
        print_text(f"? {what}: {why}")


@app.command()
def retry(process: Name, key: InstanceKey, why: Why = "", as_json: AsJson = False) -> None:
    """Ask once more for what an open instance waits for: its commands go out again under the same ids.

    A receiver that has dealt with one does not do so again. Where the outcome of one is known and the process has not
    heard it, it is handed that. Commands that their topic holds no longer are named.
    """
    with _leading() as (leader, who):
        asked = leader.retry(process, key, who, why)
    if as_json:
        print_json(msgspec.to_builtins(asked))
    else:
        for each in asked.commands:
            print_text(f"{each.how}: {each.command} {each.id}")
    if not asked.requests:
        raise typer.Exit(Exit.FOUND)


@app.command()
def cancel(
    process: Name,
    key: InstanceKey,
    why: Annotated[str, typer.Option("--why", help="The process is told, and the log.")],
    as_json: AsJson = False,
) -> None:
    """Cancel an open instance: what its process declares for that undoes it, else it is over at once."""
    with _leading() as (leader, who):
        asked = leader.cancel(process, key, who, why)
    if as_json:
        print_json(msgspec.to_builtins(asked))
    else:
        print_text(f"asked for; `verbwire processes show {process} {key}` tells what becomes of it")


@contextmanager
def _leading() -> Iterator[tuple[InstanceLeader, str]]:
    from verbwire.client.base.connection import Connection
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.leading.instances import InstanceLeader
    from verbwire.project import load_project

    project = load_project(load_settings())
    who = project.settings.actor or getpass.getuser()
    with opened(project) as view:
        yield InstanceLeader(view, Connection.of_project(project.settings)), who


@dataclass(frozen=True)
class InstanceWhere:
    """What the options say of instances; the filter is imported when it is needed."""

    key: str | None = None
    waits_for: str | None = None
    step: str | None = None
    seconds: float = 0.0
    version: int | None = None


def _asked(names: list[str], limit: int, where: InstanceWhere) -> ProcessReport:
    from verbwire.inspection.processes import InstanceFilter, open_instances
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.project import load_project

    with opened(load_project(load_settings())) as view:
        return open_instances(view, names, limit, InstanceFilter(**asdict(where)))


def _row(each: OpenInstance, report: ProcessReport) -> tuple[str, ...]:
    return each.process, each.key, shown_time(each.since_ms), f"{span(each.seconds)} ago", _waits(each, report)


def _waits(each: OpenInstance, report: ProcessReport) -> str:
    if each.waits_for is None:
        return "?"
    if each.waits_for:
        named = [f"outcome of {_short(one.command)} ({span(one.seconds)})" for one in each.waits_for[:_NAMED]]
        return ", ".join(named) + (f" and {len(each.waits_for) - _NAMED} more" if len(each.waits_for) > _NAMED else "")
    due = [f"deadline {name} ({shown_time(at)})" for name, at in each.deadlines.items()]
    return " or ".join([*due, f"an event: {' or '.join(map(_short, report.events[each.process]))}"])


def _commands(found: OpenInstance) -> Iterator[tuple[str, ...]]:
    for each in found.sent:
        yield f"{span(each.seconds)} ago", each.command, each.outcome or "waited for", each.place, each.id


def _short(name: str) -> str:
    return name.rpartition(".")[2]
