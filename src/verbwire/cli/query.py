"""``verbwire query``: the current state from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verbwire.cli import completion
from verbwire.cli.messages import As, Fields, Scopes, written
from verbwire.cli.output import AsJson, print_error, print_json
from verbwire.cli.records import compact, print_line
from verbwire.messages import Page

if TYPE_CHECKING:
    from verbwire.client import Client
    from verbwire.messages import Query


def query(
    name: Annotated[
        str, typer.Argument(metavar="QUERY", help="A query, by its name or its end.", autocompletion=completion.queries)
    ],
    fields: Fields = None,
    pages: Annotated[int, typer.Option("--pages", min=1, help="Of a list, so many pages.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Of a list, all pages.")] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="Wait for a table that has caught up since it was started.")
    ] = False,
    wait: Annotated[float, typer.Option("--wait", min=0.1, help="Seconds to wait for the answer.")] = 10.0,
    actor: As = None,
    scope: Scopes = None,
    as_json: AsJson = False,
) -> None:
    """Ask a query of any worker, and print its answer: a row, or a line for each of a list.

    Ends with 4 where there is no such row.
    """
    from verbwire.client import Client
    from verbwire.http.avro_json.encode import encoder

    message = written("query", name, fields or (), actor, scope)
    catalog = message.project.catalog
    reply = message.contract.reply or ""
    encode = encoder(catalog.contracts.get(reply) or catalog.types[reply])
    asked: Query[Any] = message.message  # type: ignore[assignment]  # it is of that kind
    with Client(message.connection) as client:
        answer = client.query(asked, wait, complete=complete).result()
        if isinstance(answer, Page):
            number = None if every else pages
            _print_pages(_pages(client, asked, answer, wait, complete), number, encode, as_json)
        elif as_json:
            print_json(json.loads(encode(answer)))
        else:
            print_line(compact(json.loads(encode(answer))))


def _pages(client: Client, asked: Query[Any], first: Page[Any], wait: float, complete: bool) -> Iterator[Page[Any]]:
    page = first
    yield page
    while page.next is not None:
        page = client.query(asked, wait, after=page, complete=complete).result()
        yield page


def _print_pages(pages: Iterator[Page[Any]], number: int | None, encode: Callable[[Any], bytes], as_json: bool) -> None:
    """Print rows as they come; in JSON all at once. Whether the list is whole is said in the end."""
    rows: list[Any] = []
    count, is_complete, last = 0, True, None
    for found, last in enumerate(pages, 1):
        is_complete = is_complete and last.complete
        for row in last.rows:
            count += 1
            rows.append(json.loads(encode(row))) if as_json else print_line(compact(json.loads(encode(row))))
        if found == number:
            break
    has_more = last is not None and last.next is not None
    if as_json:
        print_json({"rows": rows, "complete": is_complete, "more": has_more})
        return
    if has_more:
        print_error(f"{count} row(s), and there are more: --pages or --all")
    if not is_complete:
        print_error("the list is not complete: a partition did not answer, or has yet to catch up (--complete waits)")
