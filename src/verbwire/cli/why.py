"""``verbwire why``: a row, and the events behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from verbwire.cli import completion
from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_json
from verbwire.cli.progress import CountedProgress
from verbwire.cli.records import opened, print_line, print_record, print_whose, told

if TYPE_CHECKING:
    from verbwire.inspection.reading.records import RecordView
    from verbwire.inspection.why import Why


def why(
    table: Annotated[str, typer.Argument(help="A table or a process.", autocompletion=completion.tables)],
    key: Annotated[
        str, typer.Argument(help="The row's key; of several fields joined by commas: EIRE,2010-12-01T14:05:00Z.")
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many events and changes.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Print why a row is as it is: each change of it that the changelog still has, below the events that led to it.

    Events are those that count in this row by the code as it is, also where they stand under another key in their
    topic. The changelog is compacted: of changes that are gone, the events stand with the next one. Ends with 1 where
    there is nothing of the key.
    """
    import msgspec

    from verbwire.inspection.why import why as asked

    with opened() as cluster, CountedProgress() as progress:
        found = asked(cluster, table, key, limit=limit, step=progress.count)
    if as_json:
        print_json(msgspec.to_builtins(found) | {"now": msgspec.to_builtins(found.now)})
    else:
        _print(found)
    if not (found.changes or found.unchanged or found.waiting or found.parked):
        raise typer.Exit(Exit.FOUND)


def _print(found: Why) -> None:
    now = found.now
    print_line(f"{found.table} {found.key}:", told(now) if now is not None else _gone(found))
    if found.older:
        print_line(f"{found.older} older events are not shown (--limit)")
    for change in found.changes:
        _print_all(change.causes)
        row = change.row
        print_line(f"    -> {row.time}", row.place, told(row) if row.message or row.unreadable else "deleted")
    _print_some("these counted, and left the row as it was (or what they changed is compacted away):", found.unchanged)
    _print_some(f"these are parked, and not in the row: {found.parked_for}", found.parked)
    _print_some("these are not read yet:", found.waiting)
    for text in found.unplaced:
        print_line(f"the group stops here, so that the row is not known: {text}")
    for text in found.notes:
        print_line(f"note: {text}")


def _gone(found: Why) -> str:
    if found.changes:
        return "there is no such row any more"
    return "there is no such row" + ("" if found.unchanged or found.waiting else ", and nothing that counts in one")


def _print_some(title: str, views: tuple[RecordView, ...]) -> None:
    if views:
        print_line(title)
        _print_all(views)


def _print_all(views: tuple[RecordView, ...]) -> None:
    for view in views:
        print_record(view)
        print_whose(view)
