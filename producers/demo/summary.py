"""The end of the demo: what was counted apart from it, what the ledger says, and what the table holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from producers.counting import Cart, Expected
from producers.demo.ledger import ACCEPTED, Ledger
from producers.importer import Imported

_EVENTS = {"AddProductToCart": "ProductAddedToCart", "CheckOutCart": "CartCheckedOut"}
_UNREADABLE, _CREDIT, _NOT_ADDRESSABLE = "unreadable", "credit", "not_addressable"


@dataclass(frozen=True)
class Line:
    """One number and what each source says it is; None where a source cannot know it."""

    name: str
    counted: int
    imported: int | None = None
    ledger: int | None = None
    table: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether all who know the number agree."""
        return all(each in (None, self.counted) for each in (self.imported, self.ledger, self.table))


def compare(expected: Expected, imported: Imported, ledger: Ledger, rows: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Return every number with what each source says of it."""
    carts = {row["cart_id"]: row for row in rows}
    return [
        *_lines_without_a_command(expected, imported),
        *_commands(expected, imported, ledger),
        *_table(expected, ledger, carts),
    ]


def _lines_without_a_command(expected: Expected, imported: Imported) -> list[Line]:
    counted = expected.no_commands
    return [
        Line("lines unreadable", counted[_UNREADABLE], imported.unreadable),
        Line("credits, not imported yet", counted[_CREDIT], imported.credits),
        Line("credits without a customer", counted[_NOT_ADDRESSABLE], imported.not_addressable),
    ]


def _commands(expected: Expected, imported: Imported, ledger: Ledger) -> list[Line]:
    names = sorted({*expected.commands, *imported.sent, *ledger.commands})
    words = sorted({*expected.outcomes, *ledger.outcomes} - {ACCEPTED})
    return [
        *(Line(name, expected.commands[name], imported.sent[name], ledger.commands[name]) for name in names),
        Line("accepted", expected.outcomes[ACCEPTED], ledger=ledger.outcomes[ACCEPTED]),
        Line("rejected", sum(expected.outcomes[w] for w in words), ledger=sum(ledger.outcomes[w] for w in words)),
        *(Line(f"  {word}", expected.outcomes[word], ledger=ledger.outcomes[word]) for word in words),
        Line("second outcomes of a command", 0, ledger=ledger.repeated),
    ]


def _table(expected: Expected, ledger: Ledger, carts: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    rows = list(carts.values())
    events = {event: ledger.events[command] for command, event in _EVENTS.items()}
    checked_out = sum(row["status"] == "CHECKED_OUT" for row in rows)
    listed = sum(len(row["products"]) for row in rows)
    alike = sum(name in carts and _same(cart, carts[name]) for name, cart in expected.carts.items())
    return [
        Line("ProductAddedToCart", expected.events["ProductAddedToCart"], None, events["ProductAddedToCart"], listed),
        Line("CartCheckedOut", expected.events["CartCheckedOut"], None, events["CartCheckedOut"], checked_out),
        Line("carts", len(expected.carts), table=len(rows)),
        Line("carts still open", 0, table=len(rows) - checked_out),
        Line("lines in carts", expected.cart_lines, table=sum(row["lines"] for row in rows)),
        Line("pieces in carts", expected.quantity, table=sum(int(row["quantity"]) for row in rows)),
        Line("pence in carts", expected.pence, table=sum(int(row["total_pence"]) for row in rows)),
        Line("carts equal one by one", len(expected.carts), table=alike),
        Line("countries", len(expected.pence_by_country), table=len({row["country"] for row in rows})),
    ]


def _same(cart: Cart, row: Mapping[str, Any]) -> bool:
    found = (row["country"], row["customer_id"] or "", row["lines"], int(row["quantity"]), int(row["total_pence"]))
    return found == (cart.country, cart.customer, cart.lines, cart.quantity, cart.pence)


def shown(lines: Iterable[Line]) -> Table:
    """Return the comparison for people."""
    listing = Table(
        title="What it came to",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption="count: of the file, apart from all this; ledger: of outcomes; table: over HTTP",
        caption_justify="left",
    )
    listing.add_column("", no_wrap=True)
    for column in ("count", "importer", "ledger", "table"):
        listing.add_column(column, justify="right", no_wrap=True)
    for line in lines:
        numbers = (line.counted, line.imported, line.ledger, line.table)
        cells = ("" if each is None else f"{each:,}" for each in numbers)
        listing.add_row(line.name, *cells, style=None if line.agrees else "bold red")
    return listing
