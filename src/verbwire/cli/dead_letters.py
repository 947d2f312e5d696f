"""``verbwire dead-letters``: lists records that a group could not read or handle, shows and requeues them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verbwire.cli.output import AsJson, print_json, print_table, print_text
from verbwire.errors import ConfigurationError, VerbwireError
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.dead_letters.requeue import DeadLetter, DeadLetters
    from verbwire.declarations import Declared
    from verbwire.project import Project

app = typer.Typer(
    no_args_is_help=True, help="Records that groups could not read or handle: list, show and requeue them."
)
GroupName = Annotated[str, typer.Argument(help="A group's name, as declared.")]
Again = Annotated[bool, typer.Option("--again", help="Include those that were requeued already.")]
_COLUMNS = ("group", "place", "from", "type", "id", "reason", "since", "detail")


@app.command("list")
def list_letters(
    group: Annotated[str | None, typer.Argument(help="A group's name, as declared; all by default.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many of each group, the newest first.")] = 50,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """List the dead letters that have not been requeued."""
    with _opened() as (project, dead_letters):
        names = [_declared(project, group).group] if group else project.groups
        pages = {name: dead_letters.page(name, limit, again) for name in names}
    rows = [_row(found) for page in pages.values() for found in page.dead_letters]
    older = {
        name: page.total - len(page.dead_letters) for name, page in pages.items() if page.total > len(page.dead_letters)
    }
    if as_json:
        listed = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        print_json({"letters": listed, "older": older})
        return
    if rows:
        print_table(_COLUMNS, rows)
    else:
        print("no dead letters")
    for name, count in older.items():
        print(f"{name}: {count} older dead letters are not shown (--limit)")


@app.command()
def show(
    group: GroupName,
    place: Annotated[str, typer.Argument(help="partition/offset, as the list shows it.")],
    as_json: AsJson = False,
) -> None:
    """Show a dead letter: its reason, headers, and message as JSON, or in hexadecimal where it is unreadable."""
    from verbwire.dead_letters.requeue import DeadLetterPlace

    with _opened() as (project, dead_letters):
        found = dead_letters.one(_declared(project, group).group, DeadLetterPlace.of(place))
        original = found.record.original
        about = {
            "place": f"{found.group} {found.place}",
            "from": found.origin,
            "time": _time(original.timestamp),
            "since": _time(found.since),
            "reason": found.record.reason,
            "detail": found.record.detail,
            "key": repr(original.key),
        }
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
def retry(
    group: GroupName,
    places: Annotated[list[str] | None, typer.Argument(help="partition/offset, as the list shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that were not requeued already.")] = False,
    again: Again = False,
    unchecked: Annotated[
        bool,
        typer.Option(
            "--unchecked", help="Include those whose original record is gone, so that they cannot be compared."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Requeue dead letters: to the one subscriber or job, or an aggregate's to its commands, under the same id."""
    from verbwire.dead_letters.requeue import DeadLetterPlace

    if bool(places) == every:
        raise ConfigurationError("name places as the list shows them, or use --all")
    with _opened() as (project, dead_letters):
        declared = _declared(project, group)
        count, left = dead_letters.requeue(
            declared, None if every else [DeadLetterPlace.of(each) for each in places or ()], again, unchecked
        )
    if as_json:
        print_json({"group": group, "handed_back": count, "left": left})
        return
    for line in left:
        print_text(line)
    print(f"requeued {count} of {group}")


@contextmanager
def _opened() -> Iterator[tuple[Project, DeadLetters]]:
    from verbwire.client.base.connection import Connection
    from verbwire.dead_letters.requeue import DeadLetters
    from verbwire.kafka.addresses import kafka_properties
    from verbwire.kafka.connectivity import require_kafka
    from verbwire.project import load_project

    project = load_project(load_settings())
    connection = Connection.of_project(project.settings)
    require_kafka(kafka_properties(project.settings, connection.bootstrap))
    with closing(DeadLetters(connection)) as dead_letters:
        yield project, dead_letters


def _declared(project: Project, group: str) -> Declared:
    if group not in project.declared:
        raise ConfigurationError(f"no group has the name {group}: there are {', '.join(project.groups) or 'none'}")
    return project.declared[group]


def _row(found: DeadLetter) -> list[str]:
    record = found.record
    return [
        found.group,
        str(found.place),
        found.origin,
        found.type,
        found.id,
        record.reason,
        _time(found.since),
        record.detail.partition("\n")[0][:200],
    ]


def _message(project: Project, value: bytes | None) -> tuple[Any, str | None]:
    """What the bytes say, as JSON has it; or they themselves in hexadecimal, and why they cannot be read."""
    from verbwire.http.avro_json.encode import encode
    from verbwire.kafka.addresses import addresses
    from verbwire.wire.codec.display import plain
    from verbwire.wire.json.numbers import exact
    from verbwire.wire.registry.client import Registry

    if value is None:
        return None, None
    try:
        with closing(Registry(addresses(project.settings)[1], project.settings.registry_client)) as registry:
            return json.loads(encode(exact(plain(registry, value)))), None
    except (VerbwireError, TypeError) as error:
        return value.hex(), str(error)


def _time(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
