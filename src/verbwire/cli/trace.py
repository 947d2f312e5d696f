"""``verbwire trace``: one flow as a tree of commands, outcomes, events and rows, with times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_json
from verbwire.cli.progress import CountedProgress
from verbwire.cli.records import opened, print_line, short_type, told
from verbwire.inspection.reading.times import duration_text, milliseconds_of

if TYPE_CHECKING:
    from verbwire.inspection.reading.flow_rows import LedTo
    from verbwire.inspection.trace import Hop, Trace

_INDENT = "  "
_STATES = {
    "written": "row",
    "later": "row, by a later transaction",
    "deleted": "row deleted",
    "unchanged": "row unchanged (or compacted away)",
    "waiting": "row waits",
    "stopped": "the group stops here",
    "unknown": "row not known",
}


def trace(
    id: Annotated[str, typer.Argument(help="The id of a command, an event or a flow, or the token of an outcome.")],
    since: Annotated[
        str | None,
        typer.Option("--since", help="From then on: -2d, or a time with its zone. Default: -1d, or a token's time."),
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Read up to then. Default: now.")] = None,
    contents: Annotated[bool, typer.Option("--contents", help="Print what the records say, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what came of a message: the whole flow that it is of, as a tree, with who, times, and what is still open.

    All topics of commands, events, outcomes and dead letters are read from --since on, and the changelogs where rows
    are looked for: a row is what the changelog holds as of the transaction that read the record. Ends with 1 where
    nothing is found.
    """
    import msgspec

    from verbwire.inspection.trace import trace as traced

    begin = None if since is None else milliseconds_of(since, "--since")
    end = None if until is None else milliseconds_of(until, "--until")
    with opened() as cluster, CountedProgress() as progress:
        found = traced(cluster, id, since=begin, until=end, step=progress.count)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found, contents)
    if not found.records:
        raise typer.Exit(Exit.FOUND)


def _print(found: Trace, contents: bool) -> None:
    window = f"from {found.since} on" if found.until is None else f"from {found.since} to {found.until}"
    if not found.records:
        print_line(
            f"nothing of {found.wanted} among the {found.read:,} records {window}: --since reads from earlier on"
        )
    else:
        span = duration_text(found.milliseconds or 0)
        print_line(f"flow {found.correlation_id}: {found.records} record(s) in {span}, read {window}")
    for hop in found.hops:
        _print_hop(hop, contents)
    for id in found.open:
        print_line(f"open: {id}")
    for note in found.notes:
        print_line(note)


def _print_hop(hop: Hop, contents: bool) -> None:
    view, indent = hop.record, _INDENT * hop.depth
    when = (view.time or f"time {view.timestamp}") if hop.after is None else f"+{duration_text(hop.after)}"
    what = told(view) if view.kind in ("outcome", "dead-letter") or contents or view.unreadable else view.id
    by = f"by {view.actor}" if view.actor else None
    print_line(indent + when, short_type(view), view.key, what, by, view.place)
    for text in filter(None, (view.note, hop.open)):
        print_line(f"{indent}    {text}")
    for row in hop.rows:
        _print_row(row, indent, contents)


def _print_row(row: LedTo, indent: str, contents: bool) -> None:
    said = told(row.row) if contents and row.row is not None else None
    at = f"as of {row.row.place}" if row.row is not None else None
    print_line(f"{indent}    {_STATES[row.state]}: {row.group}", row.key, at, row.note, said)
