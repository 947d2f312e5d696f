"""``verbwire tables``: the tables of a project, or the rows of one."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_error, print_json, print_table, print_text
from verbwire.cli.workers import ranges
from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.reading.cluster_view import ClusterView

_COLUMNS = ("table", "rows of", "partitions", "ready", "stopped", "behind", "rows", "dead letters")


def tables(
    name: Annotated[str | None, typer.Argument(help="A table, or a group that keeps states; or a unique end.")] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="The one row under this key.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", "-w", help="field=value, as GET /tables/{name} takes it; several.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many rows.")] = 50,
    changelog: Annotated[
        bool, typer.Option("--changelog", help="Read rows from Kafka, where no worker runs; reads all of it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the tables, or show rows of one. Workers answer; with --changelog Kafka does.

    \b
    verbwire tables
    verbwire tables shop.orders --where status=PLACED --limit 5
    verbwire tables shop.orders --key 536365
    """
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.project import load_project

    if name is None and (key is not None or where or changelog):
        raise ConfigurationError("name a table for --key, --where or --changelog")
    if where and (changelog or key is not None):
        raise ConfigurationError("--where goes with lists that workers answer: leave out --key and --changelog")
    with opened(load_project(load_settings())) as view:
        if name is None:
            _list(view, as_json=as_json)
        elif key is not None:
            _row(view, name, key, changelog=changelog)
        else:
            _rows(view, name, where or [], limit, changelog=changelog, as_json=as_json)


def _list(view: ClusterView, *, as_json: bool) -> None:
    from verbwire.inspection.tables import list_tables

    found = list_tables(view)
    if as_json:
        print_json({"tables": found})
        return
    print_table(_COLUMNS, map(_said, found))


def _said(table: dict[str, Any]) -> tuple[str, ...]:
    return (
        table["name"],
        table["row"],
        str(table["partitions"]),
        ranges(table["ready_partitions"]),
        ranges(map(int, table["stopped"])),
        f"{sum(table['behind'].values()):,}" if table["behind"] else "-",
        "?" if table["rows"] is None else f"{table['rows']:,}",
        str(table["dead_letters"] or "-"),
    )


def _row(view: ClusterView, name: str, key: str, *, changelog: bool) -> None:
    from verbwire.inspection.tables import rows_of_changelog, table_row

    row = next(rows_of_changelog(view, name, key), None) if changelog else table_row(view, name, key)
    if row is None:
        print_error(f"{name} has no row under the key {key}")
        raise typer.Exit(Exit.FOUND)
    print_json(row)


def _rows(view: ClusterView, name: str, where: list[str], limit: int, *, changelog: bool, as_json: bool) -> None:
    from verbwire.inspection.tables import rows_of_changelog, table_page

    if changelog:
        rows = list(islice(rows_of_changelog(view, name), limit + 1))
        page: dict[str, Any] = {"rows": rows[:limit], "complete": True, "next": "more" if len(rows) > limit else None}
    else:
        page = table_page(view, name, {**dict(map(_pair, where)), "page_size": str(limit)})
    if as_json:
        print_json(page)
        return
    rows = page["rows"]
    columns = list(dict.fromkeys(field for row in rows for field in row))
    if rows:
        print_table(columns, [[_cell(row.get(field)) for field in columns] for row in rows])
    print_text(f"{len(rows)} rows" + (", there are more (--limit, --where)" if page.get("next") else ""))
    if not page.get("complete", True):
        print_text("not complete: a part of the table is not ready, or has yet to catch up (`verbwire status`)")


def _pair(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not (field and equals):
        raise ConfigurationError(f"--where {text!r}: write field=value")
    return field, value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
