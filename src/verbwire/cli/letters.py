"""``verbwire dead-letters``: what a group could not read or handle, and handing it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table as Listing
from rich.text import Text

from verbwire.errors import ConfigurationError, VerbwireError
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.declarations import Declared
    from verbwire.effects.letters import DeadLetters, Found
    from verbwire.project import Project

app = typer.Typer(no_args_is_help=True, help="What groups could not read or handle: list it, look at it, hand it back.")
GroupName = Annotated[str, typer.Argument(help="A group, as it is declared.")]
Again = Annotated[bool, typer.Option("--again", help="Those too that were handed back already.")]


@app.command("list")
def list_letters(
    group: Annotated[str | None, typer.Argument(help="A group, as it is declared; all by default.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many of each group.")] = 50,
    again: Again = False,
) -> None:
    """List the dead letters that nobody has handed back."""
    listing = Listing("group", "place", "from", "type", "id", "reason", "since", "detail", box=None)
    more = []
    with _opened() as (project, letters):
        for name in [_declared(project, group).group] if group else project.groups:
            page = letters.page(name, limit, again)
            for found in page.letters:
                listing.add_row(*(Text(_legible(each)) for each in _row(found)))
            if page.total > len(page.letters):
                more.append(f"{name}: {page.total - len(page.letters)} older ones are not shown (--limit)")
    console = Console()
    if listing.row_count:
        console.print(listing)
    else:
        print("no dead letters")
    for line in more:
        print(line)


@app.command()
def show(
    group: GroupName,
    place: Annotated[str, typer.Argument(help="partition/offset, as the list shows it.")],
) -> None:
    """Show one letter: headers, why it is one, and the message as JSON where it can be read, else in hexadecimal."""
    from verbwire.effects.letters import Place

    with _opened() as (project, letters):
        found = letters.one(_declared(project, group).group, Place.of(place))
        original = found.letter.original
        lines = [
            ("place", f"{found.group} {found.place}"),
            ("from", found.origin),
            ("time", _time(original.timestamp)),
            ("since", _time(found.since)),
            ("reason", found.letter.reason),
            ("detail", found.letter.detail),
            ("key", repr(original.key)),
            *((name, (value or b"").decode(errors="backslashreplace")) for name, value in original.headers),
        ]
        for name, value in lines:
            print(f"{_legible(name)}: " + "\n    ".join(map(_legible, value.split("\n"))))
        print(_message(project, original.value))


@app.command()
def retry(
    group: GroupName,
    places: Annotated[list[str] | None, typer.Argument(help="partition/offset, as the list shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that were not handed back already.")] = False,
    again: Again = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Those too whose record is no longer kept, to be compared with.")
    ] = False,
) -> None:
    """Hand letters back: to a subscriber or a job alone, or an aggregate's to its commands, under the same id."""
    from verbwire.effects.letters import Place

    if bool(places) == every:
        raise ConfigurationError("say which: places as the list shows them, or --all")
    with _opened() as (project, letters):
        declared = _declared(project, group)
        count, left = letters.retry(
            declared, None if every else [Place.of(each) for each in places or ()], again, unchecked
        )
    for line in left:
        print(line)
    print(f"handed back {count} of {group}")


@contextmanager
def _opened() -> Iterator[tuple[Project, DeadLetters]]:
    from verbwire.addresses import kafka_properties
    from verbwire.effects.letters import DeadLetters
    from verbwire.project import load_project
    from verbwire.reaching import require_kafka
    from verbwire.sdk.connection import Connection

    project = load_project(load_settings())
    connection = Connection.of_project(project.settings)
    require_kafka(kafka_properties(project.settings, connection.bootstrap))
    with closing(DeadLetters(connection)) as letters:
        yield project, letters


def _declared(project: Project, group: str) -> Declared:
    if group not in project.declared:
        raise ConfigurationError(f"no group is called {group}: there are {', '.join(project.groups) or 'none'}")
    return project.declared[group]


def _row(found: Found) -> list[str]:
    letter = found.letter
    return [
        found.group,
        str(found.place),
        found.origin,
        found.type,
        found.id,
        letter.reason,
        _time(found.since),
        letter.detail.partition("\n")[0][:200],
    ]


def _message(project: Project, value: bytes | None) -> str:
    from verbwire.addresses import addresses
    from verbwire.http import json
    from verbwire.wire.plain import plain
    from verbwire.wire.registry import Registry

    if value is None:
        return "(no value)"
    try:
        with closing(Registry(addresses(project.settings)[1], project.settings.registry_client)) as registry:
            return json.encode(json.exact(plain(registry, value))).decode()
    except (VerbwireError, TypeError) as error:
        return f"{value.hex()}\n({_legible(str(error))})"


def _time(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def _legible(text: str) -> str:
    """What others wrote must not steer a terminal."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
