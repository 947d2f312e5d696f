"""The end of the demo: what was counted apart from it, what the ledgers say, and what the tables hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rich import box
from rich.table import Table

from producers.counting import Account, Cart, Expected, Sold
from producers.demo.ledger import ACCEPTED, Ledger
from producers.importer import Imported

Rows: TypeAlias = Mapping[str, list[dict[str, Any]]]
"""What each table holds, by its name."""

TABLES = (
    "shop.carts",
    "shop.orders",
    "shop.accounts",
    "shop.sales_per_customer",
    "shop.sales_per_minute",
    "shop.suspicions",
)
PROCESS = "shop.checkout"
UNPAID = "it was not paid in time"  # why such an order was cancelled
_EVENTS = {
    "AddProductToCart": "ProductAddedToCart",
    "CheckOutCart": "CartCheckedOut",
    "PlaceOrder": "OrderPlaced",
    "DebitBalance": "BalanceDebited",
    "ConfirmOrder": "OrderConfirmed",
    "CancelOrder": "OrderCancelled",
    "CreditBalance": "BalanceCredited",
}


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


def compare(expected: Expected, imported: Imported, ledger: Ledger, rows: Rows, receipts: set[str]) -> list[Line]:
    """Return every number with what each source says of it."""
    return [
        *_lines_without_a_command(expected, imported),
        *(line for command in _EVENTS for line in _command(command, expected, imported, ledger)),
        Line("second outcomes of a command", 0, ledger=ledger.repeated),
        *_events(expected, ledger, rows),
        *_carts(expected, rows["shop.carts"]),
        *_orders(expected, imported, rows["shop.orders"]),
        *_accounts(expected, rows["shop.accounts"]),
        *_sales("customer", expected.customers, rows["shop.sales_per_customer"], _customer),
        *_sales("minute", expected.minutes, rows["shop.sales_per_minute"], _minute),
        Line("checkouts that are not over", 0, table=len(rows[PROCESS])),
        _suspicions(expected, rows["shop.suspicions"]),
        Line("receipts", len(expected.carts), table=len(receipts & expected.carts.keys())),
    ]


def _lines_without_a_command(expected: Expected, imported: Imported) -> Iterator[Line]:
    yield Line("lines unreadable", expected.no_commands["unreadable"], imported.unreadable)
    yield Line("credits without a customer", expected.no_commands["not_addressable"], imported.not_addressable)


def _command(name: str, expected: Expected, imported: Imported, ledger: Ledger) -> Iterator[Line]:
    counted, found = expected.outcomes[name], ledger.outcomes[name]
    # What the importer has not sent comes from the checkout.
    yield Line(name, counted.total(), imported.sent.get(name), found.total())
    for word in sorted({*counted, *found} - {ACCEPTED}):
        yield Line(f"  {word}", counted[word], ledger=found[word])


def _events(expected: Expected, ledger: Ledger, rows: Rows) -> Iterator[Line]:
    carts, orders, accounts = rows["shop.carts"], rows["shop.orders"], rows["shop.accounts"]
    in_tables = {
        "AddProductToCart": sum(len(row["products"]) for row in carts),
        "CheckOutCart": sum(row["status"] == "CHECKED_OUT" for row in carts),
        "PlaceOrder": len(orders),
        "DebitBalance": sum(row["debits"] for row in accounts),
        "ConfirmOrder": sum(row["status"] == "CONFIRMED" for row in orders),
        "CancelOrder": sum(row["status"] == "CANCELLED" for row in orders),
        "CreditBalance": sum(row["credits"] for row in accounts),
    }
    for command, event in _EVENTS.items():
        yield Line(event, expected.outcomes[command][ACCEPTED], None, ledger.events[command], in_tables[command])


def _carts(expected: Expected, rows: list[dict[str, Any]]) -> Iterator[Line]:
    yield Line("carts", len(expected.carts), table=len(rows))
    yield Line("lines in carts", expected.cart_lines, table=sum(row["lines"] for row in rows))
    yield Line("pieces in carts", expected.quantity, table=sum(int(row["quantity"]) for row in rows))
    yield Line("pence in carts", expected.pence, table=sum(int(row["total_pence"]) for row in rows))
    yield _alike("carts", expected.carts, {row["cart_id"]: _cart(row) for row in rows}, _of_cart)


def _orders(expected: Expected, imported: Imported, rows: list[dict[str, Any]]) -> Iterator[Line]:
    confirmed = [row for row in rows if row["status"] == "CONFIRMED"]
    unpaid = [row for row in rows if row["cancelled_because"] == UNPAID]
    yield Line("orders", len(expected.carts), imported.settled, table=len(rows) - len(unpaid))
    yield Line("orders not paid in time", expected.commands["CancelOrder"], table=len(unpaid))
    yield Line("pence of confirmed orders", expected.pence, table=sum(int(row["total_pence"]) for row in confirmed))
    yield _alike("orders", expected.carts, {row["order_id"]: _order(row) for row in confirmed}, _of_order)


def _accounts(expected: Expected, rows: list[dict[str, Any]]) -> Iterator[Line]:
    yield Line("accounts", len(expected.accounts), table=len(rows))
    yield Line("pence debited", expected.debited, table=sum(int(row["debited_pence"]) for row in rows))
    yield Line("pence credited", expected.credited, table=sum(int(row["credited_pence"]) for row in rows))
    yield _alike("accounts", expected.accounts, {row["account_id"]: _account(row) for row in rows}, _of_account)


def _sales(name: str, counted: Mapping[Any, Sold], rows: list[dict[str, Any]], key: Any) -> Iterator[Line]:
    yield Line(f"{name}s with sales", len(counted), table=len(rows))
    yield Line(f"pence by {name}", sum(sold.pence for sold in counted.values()), table=_pence(rows))
    found = {key(row): (row["orders"], int(row["total_pence"])) for row in rows}
    yield _alike(f"{name}s", counted, found, lambda sold: (sold.orders, sold.pence))


def _suspicions(expected: Expected, rows: list[dict[str, Any]]) -> Line:
    found = {row["order_id"] for row in rows}
    return Line("orders that look wrong", len(expected.suspicious), table=len(found & expected.suspicious))


def _pence(rows: list[dict[str, Any]]) -> int:
    return sum(int(row["total_pence"]) for row in rows)


def _alike(name: str, counted: Mapping[Any, Any], found: Mapping[Any, Any], facts: Any) -> Line:
    same = sum(key in found and found[key] == facts(each) for key, each in counted.items())
    return Line(f"{name} equal one by one", len(counted), table=same)


def _of_cart(cart: Cart) -> tuple[Any, ...]:
    return cart.country, cart.customer, cart.lines, cart.quantity, cart.pence


def _cart(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["country"], row["customer_id"] or "", row["lines"], int(row["quantity"]), int(row["total_pence"])


def _of_order(cart: Cart) -> tuple[Any, ...]:
    return cart.country, cart.customer, cart.pence, cart.minute


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["country"], row["customer_id"] or "", int(row["total_pence"]), row["placed_at"][:16]


def _of_account(account: Account) -> tuple[Any, ...]:
    debited, credited = sum(account.debits), sum(account.credits)
    return len(account.debits), len(account.credits), debited, credited, debited - credited


def _account(row: Mapping[str, Any]) -> tuple[Any, ...]:
    pence = (int(row[name]) for name in ("debited_pence", "credited_pence", "balance_pence"))
    return row["debits"], row["credits"], *pence


def _customer(row: Mapping[str, Any]) -> str:
    return str(row["customer_id"])


def _minute(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["country"], row["minute"][:16]


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
