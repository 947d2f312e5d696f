"""What importing a sales file must come to, counted straight from the file.

Written apart from the importer and from the domain on purpose, in another way: it shares no line with them, so that an
error would have to be made twice to go unseen. It reads the whole file into memory and is no model for an importer.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass
class Cart:
    """What one invoice's cart must hold once it was checked out; its order costs the same."""

    country: str
    customer: str
    lines: int = 0
    quantity: int = 0
    pence: int = 0
    minute: str = ""  # of the invoice, like 2010-12-01T08:26


@dataclass
class Account:
    """What must stand on one customer's account."""

    debits: list[int] = field(default_factory=list)
    credits: list[int] = field(default_factory=list)  # those that could be given


@dataclass
class Sold:
    """How many orders, and what they cost together."""

    orders: int = 0
    pence: int = 0


@dataclass
class Expected:
    """The numbers that commands, outcomes, events and tables must show."""

    lines: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by command
    no_commands: Counter[str] = field(default_factory=Counter)  # lines that become none, by reason
    carts: dict[str, Cart] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    customers: dict[str, Sold] = field(default_factory=lambda: defaultdict(Sold))
    minutes: dict[tuple[str, str], Sold] = field(default_factory=lambda: defaultdict(Sold))  # by country and minute

    @property
    def commands(self) -> Counter[str]:
        """How many commands of each sort there are, whoever sends them."""
        return Counter({command: words.total() for command, words in self.outcomes.items()})

    @property
    def cart_lines(self) -> int:
        """Lines in all carts together."""
        return sum(cart.lines for cart in self.carts.values())

    @property
    def quantity(self) -> int:
        """Pieces in all carts together."""
        return sum(cart.quantity for cart in self.carts.values())

    @property
    def pence(self) -> int:
        """What all carts together cost."""
        return sum(cart.pence for cart in self.carts.values())

    @property
    def pence_by_country(self) -> dict[str, int]:
        """What the carts of each country cost together."""
        totals: Counter[str] = Counter()
        for cart in self.carts.values():
            totals[cart.country] += cart.pence
        return dict(totals)

    @property
    def suspicious(self) -> set[str]:
        """Orders that cost more than 5,000 pounds, or a guest more than 1,000."""
        return {number for number, cart in self.carts.items() if cart.pence > (500_000 if cart.customer else 100_000)}

    @property
    def debited(self) -> int:
        """What was put on all accounts together: what the customers' carts cost, without the guests'."""
        return sum(sum(account.debits) for account in self.accounts.values())

    @property
    def credited(self) -> int:
        """What was given back on all accounts together."""
        return sum(sum(account.credits) for account in self.accounts.values())


def count(path: Path) -> Expected:
    """Count the whole file."""
    text = path.read_bytes()
    if path.suffix == ".gz":
        text = gzip.decompress(text)
    expected = Expected()
    invoices: dict[str, list[dict[str, str]]] = {}
    returns: dict[str, list[int]] = {}
    for row in csv.DictReader(io.StringIO(text.decode("latin-1"))):
        expected.lines += 1
        if not _readable(row):
            expected.no_commands["unreadable"] += 1
        elif row["InvoiceNo"][0] != "C":
            invoices.setdefault(row["InvoiceNo"], []).append(row)
        elif row["CustomerID"]:
            returns.setdefault(row["CustomerID"], []).append(-_pence(row))
        else:
            expected.no_commands["not_addressable"] += 1
    for number, rows in invoices.items():
        _count_invoice(expected, number, rows)
    for cart in expected.carts.values():
        _count_order(expected, cart)
    for customer, amounts in returns.items():
        _count_returns(expected, customer, amounts)
    return expected


def _count_invoice(expected: Expected, number: str, rows: list[dict[str, str]]) -> None:
    none_left = [row for row in rows if int(row["Quantity"]) <= 0]
    for_nothing = [row for row in rows if int(row["Quantity"]) > 0 and float(row["UnitPrice"]) <= 0]
    good = [row for row in rows if int(row["Quantity"]) > 0 and float(row["UnitPrice"]) > 0]
    refused = ["quantity_not_positive"] * len(none_left) + ["price_not_positive"] * len(for_nothing)
    expected.outcomes["AddProductToCart"].update(["accepted"] * len(good) + refused)
    expected.outcomes["CheckOutCart"]["accepted" if good else "empty_cart"] += 1
    if good:
        expected.carts[number] = Cart(
            country=rows[0]["Country"],
            customer=next((row["CustomerID"] for row in rows if row["CustomerID"]), ""),
            lines=len(good),
            quantity=sum(int(row["Quantity"]) for row in good),
            pence=sum(map(_pence, good)),
            minute=_when(rows[0]).isoformat(timespec="minutes"),
        )


def _count_order(expected: Expected, cart: Cart) -> None:
    """Every cart is placed and confirmed under its number, and paid for by its customer, if it has one."""
    expected.outcomes["PlaceOrder"]["accepted"] += 1
    expected.outcomes["ConfirmOrder"]["accepted"] += 1
    counted = [expected.minutes[cart.country, cart.minute]]
    if cart.customer:
        expected.outcomes["DebitBalance"]["accepted"] += 1
        expected.accounts[cart.customer].debits.append(cart.pence)
        counted.append(expected.customers[cart.customer])
    for sold in counted:
        sold.orders += 1
        sold.pence += cart.pence


def _count_returns(expected: Expected, customer: str, amounts: list[int]) -> None:
    """A customer's credits come after all debits, in the order of the file; each is given whole or not at all."""
    words = expected.outcomes["CreditBalance"]
    account = expected.accounts.get(customer, Account())
    for amount in amounts:
        if amount <= 0:
            words["amount_not_positive"] += 1
        elif sum(account.credits) + amount > sum(account.debits):
            words["credit_exceeds_debits"] += 1
        else:
            words["accepted"] += 1
            account.credits.append(amount)


def _pence(row: dict[str, str]) -> int:
    return int(row["Quantity"]) * round(float(row["UnitPrice"]) * 100)


def _when(row: dict[str, str]) -> datetime:
    return datetime.strptime(row["InvoiceDate"], "%d/%m/%Y %H:%M")


def _readable(row: dict[str, str]) -> bool:
    """Whether all eight columns are there and say what they must."""
    if None in row or None in row.values():  # DictReader's way to say too many, and too few
        return False
    try:
        int(row["Quantity"])
        float(row["UnitPrice"])
        _when(row)
    except ValueError:
        return False
    return all(row[column] for column in ("InvoiceNo", "StockCode", "Country"))


if __name__ == "__main__":
    counted = count(Path(sys.argv[1]))
    for name in ("lines", "no_commands", "cart_lines", "quantity", "pence", "debited", "credited"):
        print(name, getattr(counted, name))
    for command, words in counted.outcomes.items():
        print(command, dict(words))
    print("carts", len(counted.carts), "by country", counted.pence_by_country)
    print("accounts", len(counted.accounts), "customers", len(counted.customers), "minutes", len(counted.minutes))
