"""``verbwire parked``: keys that cannot go on, with all that came after; tried again, or the first record skipped."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from verbwire.cli.dead_letters import open_registry
from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_json, print_table, print_text, shown_time
from verbwire.cli.served_project import served_project
from verbwire.errors import ConfigurationError

if TYPE_CHECKING:
    from verbwire.parking.desk import ParkedAnswer, ParkedDesk
    from verbwire.parking.parked_key import ParkedFilter, ParkedKeyView
    from verbwire.project import Project

app = typer.Typer(
    no_args_is_help=True,
    help="Keys of tables, processes, subscribers that cannot go on, with all that came after: list, show, retry, skip.",
)
GroupName = Annotated[str, typer.Argument(help="A table, a process or a subscriber, as declared.")]
OfType = Annotated[str | None, typer.Option("--type", help="Those whose first record is of a contract, by its name.")]
Text = Annotated[str | None, typer.Option("--text", help="Those whose reason holds this text.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Parked since so long ago (-90s, -1h, -2d), or a time with its zone.")
]
Until = Annotated[str | None, typer.Option("--until", help="Until then, written likewise.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for what becomes of it.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for whoever looks for it later.")]
_COLUMNS = ("group", "key", "records", "since", "attempts", "from", "type", "reason")


@app.command("list")
def list_keys(
    group: Annotated[str | None, typer.Argument(help="A group's name, as declared; all by default.")] = None,
    of_type: OfType = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """List parked keys, the longest parked first. Read from Kafka: no worker has to run."""
    where = _where(of_type, text, since, until)
    with _opened() as (project, desk):
        every = [project.declared_group(group)] if group else list(project.declared.values())
        found = desk.keys(every[0], where) if group else desk.every(every, where)
    if as_json:
        print_json({"parked": msgspec.to_builtins(found)})
    elif found:
        print_table(_COLUMNS, map(_row, found))
    else:
        print("nothing is parked")


@app.command()
def show(
    group: GroupName,
    key: Annotated[str, typer.Argument(help="The key, as the list shows it.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many of its records, the first ones.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the records of a parked key in their order: why the first cannot be handled, and what waits behind it."""
    with _opened() as (project, desk):
        found, records = desk.show(project.declared_group(group), key)
    if as_json:
        print_json({"key": msgspec.to_builtins(found), "records": msgspec.to_builtins(records[:limit])})
        return
    print_text(f"{found.group} {found.key}: {found.records} records since {shown_time(found.since)}")
    for each in records[:limit]:
        why = each.reason or "waits behind the first"
        print_text(f"{each.place}  {each.type}  id {each.id}  {shown_time(each.time)}\n    {why}")
        if each.detail:
            print_text("    " + each.detail.replace("\n", "\n    "))
        shown = json.dumps(each.message, ensure_ascii=False, separators=(",", ":"), default=str)
        print_text(f"    {shown}" if each.unread is None else f"    {each.message}\n    ({each.unread})")
    if len(records) > limit:
        print(f"{len(records) - limit} more are not shown (--limit)")


@app.command()
def retry(
    group: GroupName,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys, as the list shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that fit.")] = False,
    of_type: OfType = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    why: Annotated[str, typer.Option("--why", help="What was mended, for whoever looks for it later.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell which they are.")] = False,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> None:
    """Have the records of parked keys handled again, each key's in order, each record once; subscribers: at least.

    Ends with 4 where one of them cannot be handled still, with 3 where the worker has not seen to all in time.
    """
    if bool(keys) == every:
        raise ConfigurationError("name keys as the list shows them, or use --all")
    where, meant = _where(of_type, text, since, until), None if every else keys
    with _opened() as (project, desk):
        declared = project.declared_group(group)
        if dry_run:
            found = desk.chosen(declared, meant, where)
            print_json({"parked": msgspec.to_builtins(found)}) if as_json else print_table(_COLUMNS, map(_row, found))
            return
        answered = desk.retry(declared, meant, where, _who(project), why, wait)
    _tell(group, answered, as_json)


@app.command()
def skip(
    group: GroupName,
    why: Why,
    key: Annotated[str | None, typer.Argument(help="The key, as the list shows it.")] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="topic/partition/offset, of the record at which a partition stands still."),
    ] = None,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> None:
    """Give up the first record of a parked key, or the one at which a partition has stopped: it is a dead letter then.

    What waits behind it is handled, or the partition goes on, without a restart. Ends with 4 where the next cannot be
    handled either.
    """
    if (key is None) == (at is None):
        raise ConfigurationError("name a key as the list shows it, or a place with --at")
    with _opened() as (project, desk):
        declared = project.declared_group(group)
        if key is not None:
            _tell(group, desk.skip(declared, key, _who(project), why, wait), as_json, given_up=True)
            return
        id = desk.skip_record(declared, at or "", _who(project), why)
    if as_json:
        print_json({"group": group, "at": at, "request": id})
    else:
        print_text(f"asked {group} to skip {at}: the partition goes on once its worker has read that")


def _tell(group: str, answered: ParkedAnswer, as_json: bool, given_up: bool = False) -> None:
    """Print what became of it, and end with what a script may go by: as `ask` does of a command."""
    if as_json:
        print_json({"group": group, **msgspec.to_builtins(answered)})
    else:
        print(f"{group}: {len(answered.handled)} of {answered.asked} keys are parked no more")
        for key, reason in answered.parked.items():
            what = "its first record is a dead letter, the next is parked" if given_up else "still parked"
            print_text(f"{what}: {key}: {reason}")
        if answered.parked:
            print_text(
                f"`verbwire parked show {group} KEY` says where; mend the handler, restart the workers, then retry"
            )
        if answered.waiting:
            print_text(f"asked, and not seen to yet: {', '.join(answered.waiting)}: is the group's worker running?")
    if status := exit_of_parked(answered):
        raise typer.Exit(status)


def exit_of_parked(answered: ParkedAnswer) -> Exit:
    """Return 4 where a record cannot be handled still, 3 where that was not known in time."""
    if answered.parked:
        return Exit.REFUSED
    return Exit.UNAVAILABLE if answered.waiting else Exit.DONE


def _where(of_type: str | None, text: str | None, since: str | None, until: str | None) -> ParkedFilter:
    from verbwire.inspection.reading.times import milliseconds_of
    from verbwire.parking.parked_key import ParkedFilter

    begin = None if since is None else milliseconds_of(since, "--since")
    end = None if until is None else milliseconds_of(until, "--until")
    return ParkedFilter(of_type, text, begin, end)


def _row(found: ParkedKeyView) -> list[str]:
    reason = found.reason.partition("\n")[0][:200]
    since = shown_time(found.since)
    return [found.group, found.key, str(found.records), since, str(found.attempts), found.place, found.type, reason]


def _who(project: Project) -> str:
    return project.settings.actor or getpass.getuser()


@contextmanager
def _opened() -> Iterator[tuple[Project, ParkedDesk]]:
    from verbwire.dead_letters.shown import shown_message
    from verbwire.parking.desk import ParkedDesk

    project, connection = served_project()
    with open_registry(project) as registry, closing(ParkedDesk(connection, registry, shown_message)) as desk:
        yield project, desk
