"""From the lines of a sales file to commands: the rules of `producers/data/README.md`, and nothing else.

What comes out depends on the file's bytes alone: the same file is the same commands with the same ids, in the same
order, so that an import may be broken off and run again. Memory grows with the number of invoices, not of lines.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from gzip import GzipFile
from io import BufferedReader
from pathlib import Path
from typing import TypeAlias

from schemas.accounts import CreditBalance
from schemas.carts import AddProductToCart, CheckOutCart

COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
MAY_BE_EMPTY = {"Description", "CustomerID"}
CREDIT_MARK = "C"

# What the contracts of the commands take; a line beyond them is unreadable.
_INVOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
_QUANTITY = re.compile(r"-?[0-9]{1,5}")
_PRICE = re.compile(r"-?[0-9]{1,5}(\.[0-9]{1,2})?")
_LONGEST = {"StockCode": 20, "Description": 100, "CustomerID": 40, "Country": 60}
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class ToSend:
    """A command and the id that makes sending it again harmless."""

    id: str
    command: AddProductToCart | CheckOutCart | CreditBalance


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that nothing can be made of."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class NotAddressable:
    """A credit without a customer: there is no account that it could go to."""

    line: int


SalesLine: TypeAlias = ToSend | Unreadable | NotAddressable


@dataclass(frozen=True, slots=True)
class _Line:
    """A line whose every field could be read."""

    number: int
    invoice: str
    stock_code: str
    description: str
    quantity: int
    time: datetime
    unit_price_pence: int
    customer_id: str | None
    country: str


@dataclass(slots=True)
class _Invoice:
    """What a check-out needs to know of an invoice that is not over yet."""

    time: datetime
    country: str
    customer_id: str | None = None


class Sales:
    """What each line of a sales file becomes, in file order; may be gone through more than once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest, self._last_lines = _survey(path)

    @property
    def prefix(self) -> str:
        """What the ids of all its commands begin with, and those of no other file's."""
        return f"{self._digest}:"

    def __iter__(self) -> Iterator[SalesLine]:
        invoices: dict[str, _Invoice] = {}
        for line in _lines(self._path):
            if isinstance(line, Unreadable):
                yield line
            elif line.invoice.startswith(CREDIT_MARK):
                yield self._credit(line)
            else:
                invoice = invoices.setdefault(line.invoice, _Invoice(line.time, line.country))
                invoice.customer_id = invoice.customer_id or line.customer_id
                yield ToSend(self._id(line), _add(line))
                if self._last_lines[line.invoice] == line.number:
                    del invoices[line.invoice]
                    yield ToSend(f"{self.prefix}checkout:{line.invoice}", _check_out(line.invoice, invoice))

    def _id(self, line: _Line) -> str:
        return f"{self.prefix}line:{line.number}"

    def _credit(self, line: _Line) -> ToSend | NotAddressable:
        if line.customer_id is None:
            return NotAddressable(line.number)
        pence = -line.quantity * line.unit_price_pence
        credit = CreditBalance(account_id=line.customer_id, pence=pence, reference=line.invoice)
        return ToSend(self._id(line), credit)


def read_sales(path: Path) -> Sales:
    """Return what each line of a sales file becomes; plain or gzip, latin-1.

    An invoice's `CheckOutCart` follows its last line, wherever that stands. Reads the file more than once: ids need
    the hash of all of it, check-outs need to know which line is an invoice's last. Raises `ValueError` when the first
    line does not name the columns, `OSError` or `EOFError` when the file cannot be read to its end.
    """
    return Sales(path)


def _survey(path: Path) -> tuple[str, dict[str, int]]:
    """The beginning of the SHA-256 of the uncompressed bytes, and the last readable line of each invoice."""
    digest = hashlib.sha256()
    with _open(path) as file:
        while block := file.read(1 << 16):
            digest.update(block)
    last_lines = {line.invoice: line.number for line in _lines(path) if isinstance(line, _Line)}
    return digest.hexdigest()[:16], last_lines


def _open(path: Path) -> GzipFile | BufferedReader:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return GzipFile(path) if packed else path.open("rb")


def _lines(path: Path) -> Iterator[_Line | Unreadable]:
    with _open(path) as file:
        if _fields(file.readline()) != COLUMNS:
            raise ValueError(f"{path.name} holds no sales lines: its first line must be {','.join(COLUMNS)}")
        for number, raw in enumerate(file, start=2):
            try:
                yield _read(number, _fields(raw))
            except ValueError as error:
                yield Unreadable(number, str(error))


def _fields(raw: bytes) -> list[str]:
    """Read one physical line by itself: a quote that a cut left open must not swallow the lines after it."""
    try:
        return next(csv.reader([raw.decode("latin-1").rstrip("\r\n")], strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _read(number: int, fields: list[str]) -> _Line:
    if len(fields) != len(COLUMNS):
        raise ValueError(f"{len(fields)} fields instead of {len(COLUMNS)}")
    for column, value in zip(COLUMNS, fields, strict=True):
        if not value.strip() and column not in MAY_BE_EMPTY:
            raise ValueError(f"{column} is empty")
        if len(value.strip()) > (longest := _LONGEST.get(column, len(value))):
            raise ValueError(f"{column} has more than {longest} characters")
    invoice, stock_code, description, quantity, date, price, customer, country = (each.strip() for each in fields)
    return _Line(
        number=number,
        invoice=_invoice(invoice),
        stock_code=stock_code,
        description=description,
        quantity=_quantity(quantity),
        time=_time(date),
        unit_price_pence=_pence(price),
        customer_id=customer or None,
        country=country,
    )


def _invoice(text: str) -> str:
    if not _INVOICE.fullmatch(text):
        raise ValueError(f"InvoiceNo {text[:60]!r} is not of 1 to 40 letters, digits and dashes")
    return text


def _quantity(text: str) -> int:
    if not _QUANTITY.fullmatch(text):
        raise ValueError(f"Quantity {text!r} is no whole number of at most five digits")
    return int(text)


def _pence(text: str) -> int:
    if not _PRICE.fullmatch(text):
        raise ValueError(f"UnitPrice {text!r} is no amount of pounds and pence below a hundred thousand")
    return int(Decimal(text) * 100)


@lru_cache(1024)  # all lines of an invoice say the same
def _time(text: str) -> datetime:
    try:
        # The file names no zone; December's clocks in London showed UTC.
        return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"InvoiceDate {text!r} is no dd/mm/yyyy hh:mm") from None


def _add(line: _Line) -> AddProductToCart:
    return AddProductToCart(
        cart_id=line.invoice,
        stock_code=line.stock_code,
        description=line.description,
        quantity=line.quantity,
        unit_price_pence=line.unit_price_pence,
        customer_id=line.customer_id,
        country=line.country,
    )


def _check_out(invoice: str, facts: _Invoice) -> CheckOutCart:
    return CheckOutCart(
        cart_id=invoice,
        customer_id=facts.customer_id,
        country=facts.country,
        checked_out_at=facts.time,
    )
