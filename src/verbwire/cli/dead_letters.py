"""``verbwire dead-letters``: lists records that a group could not read or handle, shows and requeues them."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verbwire.cli.letter_filter import filtered
from verbwire.cli.output import AsJson, print_json, print_table, print_text, shown_time
from verbwire.cli.served_project import served_project
from verbwire.errors import ConfigurationError

if TYPE_CHECKING:
    from verbwire.dead_letters.letter import DeadLetter
    from verbwire.dead_letters.requeue import DeadLetters
    from verbwire.dead_letters.selection import Choice, LetterFilter
    from verbwire.project import Project
    from verbwire.wire.registry.client import Registry

app = typer.Typer(
    no_args_is_help=True,
    help="Records that groups could not read or handle: list, show, requeue, discard and export them.",
)
GroupName = Annotated[str, typer.Argument(help="A group's name, as declared.")]
Again = Annotated[bool, typer.Option("--again", help="Include those that were requeued already.")]
Places = Annotated[list[str] | None, typer.Argument(help="partition/offset, as the list shows it.")]
Every = Annotated[bool, typer.Option("--all", help="All that nothing was done with yet, and that fit.")]
Shown = Annotated[
    str | None, typer.Option("--as-of", help="As `list` ended: none that came later. Without it, all there are by now.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell which they are.")]
_COLUMNS = ("group", "place", "from", "type", "id", "reason", "since", "detail")


@app.command("list")
@filtered
def list_letters(
    group: Annotated[str | None, typer.Argument(help="A group's name, as declared; all by default.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many of each group, the newest first.")] = 50,
    again: Again = False,
    *,
    where: LetterFilter,
    as_json: AsJson = False,
) -> None:
    """List the dead letters that nothing was done with yet: neither requeued nor discarded."""
    with _opened() as (project, dead_letters):
        names = [project.declared_group(group).group] if group else project.groups
        pages = {name: dead_letters.page(name, limit, again, where) for name in names}
    rows = [_row(found) for page in pages.values() for found in page.dead_letters]
    older = {
        name: page.total - len(page.dead_letters) for name, page in pages.items() if page.total > len(page.dead_letters)
    }
    if as_json:
        listed = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        as_of = {name: str(page.as_of) for name, page in pages.items()}
        print_json({"letters": listed, "older": older, "as_of": as_of})
        return
    if rows:
        print_table(_COLUMNS, rows)
    else:
        print("no dead letters")
    for name, count in older.items():
        print(f"{name}: {count} older dead letters are not shown (--limit)")
    if group and rows:
        print(f"exactly these, and none that come later: --as-of {pages[group].as_of}")


@app.command()
def show(
    group: GroupName,
    place: Annotated[str, typer.Argument(help="partition/offset, as the list shows it.")],
    as_json: AsJson = False,
) -> None:
    """Show a dead letter: its reason, headers, and message as JSON, or in hexadecimal where it is unreadable."""
    from verbwire.dead_letters.letter import DeadLetterPlace

    with _opened() as (project, dead_letters):
        found = dead_letters.one(project.declared_group(group).group, DeadLetterPlace.of(place))
        original = found.record.original
        about = {
            "place": f"{found.group} {found.place}",
            "from": found.origin,
            "time": shown_time(original.timestamp),
            "since": shown_time(found.since),
            "reason": found.record.reason,
            "detail": found.record.detail,
            "key": repr(original.key),
            "flow": f"verbwire trace {found.id}",
        }
        if discarded := dead_letters.discarded(found):
            about["discarded"] = f"{shown_time(discarded.since)} by {discarded.actor}: {discarded.why}"
        headers = [(name, (value or b"").decode(errors="backslashreplace")) for name, value in original.headers]
        message, unread = _message(project, original.value)
    if as_json:
        print_json(about | {"headers": headers, "message": message, "unread": unread})
        return
    for name, value in [*about.items(), *headers]:
        print_text(f"{name}: " + value.replace("\n", "\n    "))
    print_text(
        json.dumps(message, ensure_ascii=False, separators=(",", ":")) if unread is None else f"{message}\n({unread})"
    )


@app.command()
@filtered
def retry(
    group: GroupName,
    places: Places = None,
    every: Every = False,
    *,
    where: LetterFilter,
    as_of: Shown = None,
    dry_run: DryRun = False,
    rate: Annotated[int | None, typer.Option("--rate", min=1, help="At most so many a second.")] = None,
    again: Again = False,
    unchecked: Annotated[
        bool,
        typer.Option(
            "--unchecked", help="Include those whose original record is gone, so that they cannot be compared."
        ),
    ] = False,
    insist: Annotated[
        bool, typer.Option("--insist", help="Include those that were requeued three times, and came back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Requeue dead letters: to the one subscriber or job, or an aggregate's to its commands, under the same id."""
    from verbwire.dead_letters.requeue import Requeueing

    choice = _choice(places, every, where, as_of)
    with _opened() as (project, dead_letters):
        declared, told = project.declared_group(group), _Told(dry_run)
        meant = told.fixed(choice, dead_letters, group)
        how = Requeueing(again, unchecked, insist, rate, dry_run)
        count, left = dead_letters.requeue(declared, meant, how, told.add)
    told.print(group, "handed_back", "requeued", count, left, meant, as_json)


@app.command()
@filtered
def discard(
    group: GroupName,
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever looks for them later.")],
    places: Places = None,
    every: Every = False,
    *,
    where: LetterFilter,
    as_of: Shown = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Discard dead letters: they are listed no more. They stay where they are, with who did it, when and why."""
    choice = _choice(places, every, where, as_of)
    with _opened() as (project, dead_letters):
        name, told = project.declared_group(group).group, _Told(dry_run)
        meant = told.fixed(choice, dead_letters, group)
        who = project.settings.actor or getpass.getuser()
        count, left = dead_letters.discard(name, meant, who, why, dry_run, told.add)
    told.print(group, "discarded", "discarded", count, left, meant, as_json)


@app.command()
@filtered
def export(
    group: GroupName,
    again: Again = False,
    *,
    where: LetterFilter,
) -> None:
    """Print dead letters as lines of JSON, whole: their bytes in base64, and their message where it can be read."""
    with _opened() as (project, dead_letters), open_registry(project) as registry:
        for found in dead_letters.every(project.declared_group(group).group, where, again):
            print(json.dumps(_exported(registry, found)))


class _Told:
    """What would be done, or was: for people, and for programs."""

    def __init__(self, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._rows: list[list[str]] = []

    def fixed(self, choice: Choice, dead_letters: DeadLetters, group: str) -> Choice:
        """Return the choice, as of now where it is not of then: what is told is what the same choice gives later."""
        if not self._dry_run or choice.as_of is not None:
            return choice
        return replace(choice, as_of=dead_letters.as_of(group))

    def add(self, found: DeadLetter) -> None:
        """Take down one of them, where nothing is done with it yet."""
        if self._dry_run:
            self._rows.append(_row(found))

    def print(self, group: str, name: str, verb: str, count: int, left: list[str], choice: Choice, json: bool) -> None:
        """Print it."""
        if json:
            rows = [dict(zip(_COLUMNS, row, strict=True)) for row in self._rows]
            dry = {"dry_run": True, "letters": rows, "as_of": str(choice.as_of)} if self._dry_run else {}
            print_json({"group": group, name: 0 if self._dry_run else count, "left": left, **dry})
            return
        if self._rows:
            print_table(_COLUMNS, self._rows)
        for line in left:
            print_text(line)
        if self._dry_run:
            print(f"{count} of {group} would be {verb}; exactly these: the same with --as-of {choice.as_of}")
        else:
            print(f"{verb} {count} of {group}")


def _choice(places: list[str] | None, every: bool, where: LetterFilter, as_of: str | None) -> Choice:
    from verbwire.dead_letters.letter import DeadLetterPlace
    from verbwire.dead_letters.selection import AsOf, Choice

    if bool(places) == every:
        raise ConfigurationError("name places as the list shows them, or use --all")
    named = None if every else frozenset(map(DeadLetterPlace.of, places or ()))
    return Choice(named, where, None if as_of is None else AsOf.of(as_of))


@contextmanager
def _opened() -> Iterator[tuple[Project, DeadLetters]]:
    from verbwire.dead_letters.requeue import DeadLetters

    project, connection = served_project()
    with closing(DeadLetters(connection)) as dead_letters:
        yield project, dead_letters


def _row(found: DeadLetter) -> list[str]:
    record = found.record
    return [
        found.group,
        str(found.place),
        found.origin,
        found.type,
        found.id,
        record.reason,
        shown_time(found.since),
        record.detail.partition("\n")[0][:200],
    ]


def _message(project: Project, value: bytes | None) -> tuple[Any, str | None]:
    """What the bytes say, as JSON has it; or they themselves in hexadecimal, and why they cannot be read."""
    with open_registry(project) as registry:
        return _read(registry, value)


def _read(registry: Registry, value: bytes | None) -> tuple[Any, str | None]:
    from verbwire.dead_letters.shown import shown_message
    from verbwire.http.avro_json.encode import encode

    message, unread = shown_message(registry, value)
    return json.loads(encode(message)), unread


@contextmanager
def open_registry(project: Project) -> Iterator[Registry]:
    """Open the schema registry of a project."""
    from verbwire.kafka.addresses import addresses
    from verbwire.wire.registry.client import Registry

    with closing(Registry(addresses(project.settings)[1], project.settings.registry_client)) as registry:
        yield registry


def _exported(registry: Registry, found: DeadLetter) -> dict[str, Any]:
    from verbwire.dead_letters.shown import exported
    from verbwire.http.avro_json.encode import encode

    whole: dict[str, Any] = json.loads(encode(exported(registry, found)))
    return {**whole, "since": shown_time(found.since), "time": shown_time(found.record.original.timestamp)}
