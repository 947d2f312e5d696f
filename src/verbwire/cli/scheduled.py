"""``verbwire scheduled``: commands that are sent for later; ``verbwire schedules``: what is sent again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_error, print_json, print_table, print_text, shown_time
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.scheduled import ScheduledEntry
    from verbwire.messages import Outcome

app = typer.Typer(no_args_is_help=True, help="Commands that are sent for later: list, show, cancel them.")
Id = Annotated[str, typer.Argument(help="The command's id, as the list shows it.")]


@app.command("list")
def list_scheduled(
    context: Annotated[str | None, typer.Argument(help="A context; all by default.")] = None,
    command: Annotated[str, typer.Option("--command", help="The full name of a command: those alone.")] = "",
    key: Annotated[str, typer.Option("--key", help="Its key, as the list shows it: goes through all of them.")] = "",
    status: Annotated[str, typer.Option("--status", help="PENDING, DELIVERED or CANCELLED.")] = "PENDING",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many of each context.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List commands that wait for their time, the next first. Workers answer.

    \b
    verbwire scheduled list
    verbwire scheduled list shop.orders --limit 5 --json
    """
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.inspection.scheduled import ScheduledFilter, scheduled
    from verbwire.project import load_project

    where = ScheduledFilter(context=context, status=status.upper(), command=command, key=key)
    with opened(load_project(load_settings())) as view:
        found = scheduled(view, limit, where)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    if found:
        rows = [(_moment(each.due), each.command, each.key, each.id, each.actor, each.failure) for each in found]
        print_table(("due", "command", "key", "id", "actor", "trouble"), rows)
    print_text(f"{len(found)} {status.lower()}")


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show a command that is sent for later, or was in the last 7 days, and what became of it."""
    entry = _entry(id)
    if as_json:
        print_json(msgspec.to_builtins(entry))
        return
    print_text(f"{entry.command} {entry.id}: {entry.status.lower()}")
    print_text(f"  key {entry.key}, due {_moment(entry.due)}, sent by {entry.actor or 'nobody'}")
    if entry.status != "PENDING":
        print_text(f"  {entry.status.lower()} at {_moment(entry.changed)}")
    if entry.failure:
        print_text(f"  trouble: {entry.failure}")


@app.command()
def cancel(id: Id, as_json: AsJson = False) -> None:
    """Cancel a command that is sent for later, in the place of who has sent it.

    Exactly one of cancelled and delivered becomes true: a command that has been delivered is told as such.
    """
    outcome = _cancelled(_entry(id))
    if as_json:
        print_json(msgspec.to_builtins(outcome))
    if code := getattr(outcome, "code", ""):
        print_error(f"{code}: {getattr(outcome, 'reason', '')}")
        raise typer.Exit(Exit.REFUSED)
    if not as_json:
        print_text(f"cancelled: {id}")


def schedules(as_json: AsJson = False) -> None:
    """List the schedules with the time that was fired last, and the next. Workers answer."""
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.inspection.scheduled import schedules as known
    from verbwire.project import load_project

    with opened(load_project(load_settings())) as view:
        found = known(view)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    rows = [
        (each.name, each.cron, each.timezone, each.missed, _moment(each.last), _moment(each.due), each.failure)
        for each in found
    ]
    if rows:
        print_table(("schedule", "cron", "timezone", "missed", "last", "next", "trouble"), rows)
    print_text(f"{len(found)} schedules")


def _entry(id: str) -> ScheduledEntry:
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.inspection.scheduled import scheduled_command
    from verbwire.project import load_project

    with opened(load_project(load_settings())) as view:
        return scheduled_command(view, id)


def _cancelled(entry: ScheduledEntry) -> Outcome:
    from verbwire.client import Connection
    from verbwire.leading.scheduled import cancel_scheduled
    from verbwire.project import load_project

    project = load_project(load_settings())
    return cancel_scheduled(project, Connection.of_project(project.settings), entry)


def _moment(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else shown_time(milliseconds)
