"""What importing a sales file must come to, counted straight from the file.

Written apart from the importer and from the domain on purpose, in another way: it shares no line with them, so that an
error would have to be made twice to go unseen. It reads the whole file into memory and is no model for an importer.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass
class Cart:
    """What one invoice's cart must hold once it was checked out."""

    country: str
    customer: str
    lines: int = 0
    quantity: int = 0
    pence: int = 0


@dataclass
class Expected:
    """The numbers that commands, outcomes, events and table must show."""

    lines: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    no_commands: Counter[str] = field(default_factory=Counter)  # lines that become none, by reason
    carts: dict[str, Cart] = field(default_factory=dict)

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


def count(path: Path) -> Expected:
    """Count the whole file."""
    text = path.read_bytes()
    if path.suffix == ".gz":
        text = gzip.decompress(text)
    expected = Expected()
    invoices: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(text.decode("latin-1"))):
        expected.lines += 1
        if not _readable(row):
            expected.no_commands["unreadable"] += 1
        elif row["InvoiceNo"][0] != "C":
            invoices.setdefault(row["InvoiceNo"], []).append(row)
        elif row["CustomerID"]:
            expected.no_commands["credit"] += 1
        else:
            expected.no_commands["not_addressable"] += 1
    for number, rows in invoices.items():
        _count_invoice(expected, number, rows)
    return expected


def _count_invoice(expected: Expected, number: str, rows: list[dict[str, str]]) -> None:
    none_left = [row for row in rows if int(row["Quantity"]) <= 0]
    for_nothing = [row for row in rows if int(row["Quantity"]) > 0 and float(row["UnitPrice"]) <= 0]
    good = [row for row in rows if int(row["Quantity"]) > 0 and float(row["UnitPrice"]) > 0]
    expected.commands.update(AddProductToCart=len(rows), CheckOutCart=1)
    expected.events.update(ProductAddedToCart=len(good), CartCheckedOut=1 if good else 0)
    expected.outcomes.update(
        accepted=len(good) + (1 if good else 0),
        quantity_not_positive=len(none_left),
        price_not_positive=len(for_nothing),
        empty_cart=0 if good else 1,
    )
    if good:
        expected.carts[number] = Cart(
            country=rows[0]["Country"],
            customer=next((row["CustomerID"] for row in rows if row["CustomerID"]), ""),
            lines=len(good),
            quantity=sum(int(row["Quantity"]) for row in good),
            pence=sum(int(row["Quantity"]) * round(float(row["UnitPrice"]) * 100) for row in good),
        )


def _readable(row: dict[str, str]) -> bool:
    """Whether all eight columns are there and say what they must."""
    if None in row or None in row.values():  # DictReader's way to say too many, and too few
        return False
    try:
        int(row["Quantity"])
        float(row["UnitPrice"])
        datetime.strptime(row["InvoiceDate"], "%d/%m/%Y %H:%M")
    except ValueError:
        return False
    return all(row[column] for column in ("InvoiceNo", "StockCode", "Country"))


if __name__ == "__main__":
    counted = count(Path(sys.argv[1]))
    for name in ("lines", "commands", "outcomes", "events", "no_commands", "cart_lines", "quantity", "pence"):
        print(name, getattr(counted, name))
    print("carts", len(counted.carts), "by country", counted.pence_by_country)
