"""``verbwire tail``: decoded records of a topic, a context or a message, from a point on, or as they come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from verbwire.cli import completion
from verbwire.cli.output import print_error
from verbwire.cli.progress import CountedProgress
from verbwire.cli.records import compact_ascii, opened, print_record
from verbwire.errors import ConfigurationError

if TYPE_CHECKING:
    from verbwire.inspection.tail import TailReader

_DEFAULT = "-1h"


def tail(
    what: Annotated[
        str,
        typer.Argument(
            help="A topic, a context (its commands, events and outcomes), or a message.",
            autocompletion=completion.tails,
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="beginning, end, how long ago (-90s, -1h, -2d), or a time with its zone. Default: -1h; with --follow: "
            "end.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", help="field=value, as JSON writes it; total.currency or lines.0 go deeper. Repeatable."
        ),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Records of this key alone; its partition is read.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C (130).")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="End after so many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")] = False,
) -> None:
    """Print the records of a topic, a context or a message, decoded by the schemas that they were written with.

    Committed records alone, each partition in its order; several partitions as they arrive. A record that cannot be
    decoded is printed as such, with the reason and its bytes, whatever --where asks for.
    """
    import msgspec

    from verbwire.inspection.tail import TailQuestion, TailReader, target_of

    with opened() as cluster:
        topics, message = target_of(cluster, what)
        question = TailQuestion(topics, message, _since(since, follow), _conditions(where or []), key, follow)
        tailing = TailReader(cluster, question)
        with CountedProgress() as progress:
            for number, view in enumerate(tailing.read(progress.count), 1):
                progress.clear()
                print(compact_ascii(msgspec.to_builtins(view))) if as_json else print_record(view)
                if follow:
                    sys.stdout.flush()
                if number == limit:
                    break
        _tell(tailing)


def _since(text: str | None, follow: bool) -> int | str:
    from verbwire.inspection.reading.times import milliseconds_of
    from verbwire.inspection.tail import BEGINNING, END

    text = text or (END if follow else _DEFAULT)
    return text if text in (BEGINNING, END) else milliseconds_of(text, "--from")


def _conditions(given: list[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"--where {each!r}: write field=value, like status=PLACED")
        found[name] = value
    return found


def _tell(tailing: TailReader) -> None:
    if tailing.counts.uncompared:
        print_error(
            f"{tailing.counts.uncompared} record(s) could not be decoded, so that --where could not be asked of them: "
            "they are shown"
        )
