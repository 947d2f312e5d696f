"""``verbwire log``: every record of one key in a context, in order of time."""

from __future__ import annotations

from typing import Annotated

import typer

from verbwire.cli import completion
from verbwire.cli.output import AsJson, print_json
from verbwire.cli.progress import CountedProgress
from verbwire.cli.records import opened, print_line, print_record, print_whose

Since = Annotated[
    str | None, typer.Option("--since", help="How long ago (-90s, -1h, -2d), or a time with its zone. Default: all.")
]


def log(
    context: Annotated[str, typer.Argument(help="A context, like shop.carts.", autocompletion=completion.contexts)],
    key: Annotated[str, typer.Argument(help="The key, as a person writes it.")],
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Print what happened to a key: its commands, outcomes, events, states and dead letters, decoded, who and why.

    Only the key's partitions are read. Times are those of the records: the broker's for commands and events, the
    worker's for outcomes and states, so that neighbours may differ by as much as clocks do.
    """
    import msgspec

    from verbwire.inspection.history import history
    from verbwire.inspection.reading.times import milliseconds_of

    begin = None if since is None else milliseconds_of(since, "--since")
    with opened() as cluster, CountedProgress() as progress:
        found = history(cluster, context, key, since=begin, limit=limit, step=progress.count)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    if found.older:
        print_line(f"{found.older} older records are not shown (--limit)")
    for view in found.records:
        print_record(view)
        print_whose(view)
    if not found.records:
        print_line(f"nothing of {key} in {context}: {', '.join(found.read)} were read")
    if found.missing:
        print_line(f"not there: {', '.join(found.missing)}")
    if found.begins_late:
        print_line(f"what came first is gone (retention) from {', '.join(found.begins_late)}")
