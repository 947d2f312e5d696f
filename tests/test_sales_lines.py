"""The rules of `producers/data/README.md`, on lines made dirty for it and on the whole real file."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from consumers.carts import carts as receiver
from producers.counting import Cart, Expected, count
from producers.sales_lines import Credit, NotAddressable, SalesLine, ToSend, Unreadable, read_sales
from schemas.carts import AddProductToCart, CartRow, CartState, CartStatus, CheckOutCart
from streams.carts import carts as table
from verbwire.testing import Given

REAL = Path(__file__).parents[1] / "producers/data/online_retail_2010-12.csv.gz"
HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
GOOD = "536365,85123A,WHITE LANTERN,6,01/12/2010 08:26,2.55,17850,United Kingdom"
LATER = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def read(folder: Path, *lines: str) -> list[SalesLine]:
    path = folder / "sales.csv"
    path.write_bytes("\n".join([HEAD, *lines]).encode("latin-1"))
    return list(read_sales(path))


def commands(results: list[SalesLine]) -> list[AddProductToCart | CheckOutCart]:
    return [each.command for each in results if isinstance(each, ToSend)]


def test_a_line_becomes_a_product_in_a_cart_and_its_invoice_a_check_out(tmp_path: Path) -> None:
    assert commands(read(tmp_path, GOOD)) == [
        AddProductToCart(
            cart_id="536365",
            stock_code="85123A",
            description="WHITE LANTERN",
            quantity=6,
            unit_price_pence=255,
            customer_id="17850",
            country="United Kingdom",
        ),
        CheckOutCart(cart_id="536365", customer_id="17850", country="United Kingdom", checked_out_at=LATER),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("536365,85123A,R", "3 fields instead of 8"),
        (GOOD + ",more", "9 fields instead of 8"),
        ("", "0 fields instead of 8"),
        (GOOD.replace("536365", ""), "InvoiceNo is empty"),
        (GOOD.replace("85123A", " "), "StockCode is empty"),
        (GOOD.replace("United Kingdom", ""), "Country is empty"),
        (GOOD.replace(",6,", ",six,"), "Quantity 'six'"),
        (GOOD.replace(",6,", ",6.5,"), "Quantity '6.5'"),
        (GOOD.replace(",6,", ",10000000000,"), "Quantity '10000000000'"),
        (GOOD.replace("2.55", "2.555"), "UnitPrice '2.555'"),
        (GOOD.replace("2.55", "NaN"), "UnitPrice 'NaN'"),
        (GOOD.replace("2.55", "1e9"), "UnitPrice '1e9'"),
        (GOOD.replace("01/12/2010", "31/02/2010"), "InvoiceDate '31/02/2010 08:26'"),
        (GOOD.replace("WHITE", '"WHITE'), "unexpected end of data"),
    ],
)
def test_an_unreadable_line_is_reported_with_its_number_and_harms_no_other(tmp_path: Path, line: str, why: str) -> None:
    results = read(tmp_path, GOOD, line, GOOD)
    reported = [each for each in results if isinstance(each, Unreadable)]
    assert [each.line for each in reported] == [3]
    assert why in reported[0].why
    assert Counter(type(each).__name__ for each in commands(results)) == {"AddProductToCart": 2, "CheckOutCart": 1}


@pytest.mark.parametrize(
    ("price", "pence"), [("2.55", 255), ("0.1", 10), ("966.92", 96692), ("5", 500), ("-1.05", -105), ("8.29", 829)]
)
def test_pence_are_exact(tmp_path: Path, price: str, pence: int) -> None:
    added = commands(read(tmp_path, GOOD.replace("2.55", price)))[0]
    assert isinstance(added, AddProductToCart)
    assert added.unit_price_pence == pence


def test_negative_quantities_and_prices_of_zero_are_sent_as_they_are(tmp_path: Path) -> None:
    """Refusing them is the receiver's business, not the importer's."""
    dirty = GOOD.replace(",6,", ",-6,").replace("2.55", "0")
    added = commands(read(tmp_path, dirty))[0]
    assert isinstance(added, AddProductToCart)
    assert (added.quantity, added.unit_price_pence) == (-6, 0)


def test_exact_duplicates_are_two_lines_with_two_ids(tmp_path: Path) -> None:
    first, second, _ = read(tmp_path, GOOD, GOOD)
    assert isinstance(first, ToSend)
    assert isinstance(second, ToSend)
    assert first.command == second.command
    assert first.id != second.id


def test_a_description_may_be_empty(tmp_path: Path) -> None:
    added = commands(read(tmp_path, GOOD.replace("WHITE LANTERN", "")))[0]
    assert isinstance(added, AddProductToCart)
    assert added.description == ""


def test_quoted_fields_and_latin_1_are_read(tmp_path: Path) -> None:
    added = commands(read(tmp_path, GOOD.replace("WHITE LANTERN", '"CAF\u00c9, \u00a31 ""BIG"""')))[0]
    assert isinstance(added, AddProductToCart)
    assert added.description == 'CAF\u00c9, \u00a31 "BIG"'


def test_a_check_out_names_the_first_customer_and_the_first_time(tmp_path: Path) -> None:
    guest = GOOD.replace("17850", "")
    second = GOOD.replace("17850", "13047").replace("08:26", "08:27")
    assert commands(read(tmp_path, guest, second, GOOD))[-1] == CheckOutCart(
        cart_id="536365", customer_id="13047", country="United Kingdom", checked_out_at=LATER
    )


def test_an_invoice_without_a_customer_is_a_guests(tmp_path: Path) -> None:
    check_out = commands(read(tmp_path, GOOD.replace("17850", "")))[-1]
    assert isinstance(check_out, CheckOutCart)
    assert check_out.customer_id is None


def test_a_check_out_comes_after_the_last_line_of_its_invoice_wherever_that_stands(tmp_path: Path) -> None:
    other = GOOD.replace("536365", "536366")
    sent = commands(read(tmp_path, GOOD, other, GOOD.replace("85123A", "POST"), "536365,cut"))
    assert [(type(each).__name__, each.cart_id) for each in sent] == [
        ("AddProductToCart", "536365"),
        ("AddProductToCart", "536366"),
        ("CheckOutCart", "536366"),
        ("AddProductToCart", "536365"),
        ("CheckOutCart", "536365"),
    ]


def test_an_invoice_with_no_readable_line_is_not_checked_out(tmp_path: Path) -> None:
    assert commands(read(tmp_path, GOOD.replace("2.55", "free"))) == []


def test_credits_are_told_from_sales_and_addressable_only_with_a_customer(tmp_path: Path) -> None:
    credit = GOOD.replace("536365", "C536365").replace(",6,", ",-6,")
    assert read(tmp_path, credit, credit.replace("17850", "")) == [
        Credit(line=2, account_id="17850", pence=1530),
        NotAddressable(line=3),
    ]


def test_ids_derive_from_the_content_alone(tmp_path: Path) -> None:
    plain = read(tmp_path, GOOD, GOOD)
    packed = tmp_path / "elsewhere.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "sales.csv").read_bytes()))
    assert list(read_sales(packed)) == plain

    def ids(results: list[SalesLine]) -> set[str]:
        return {each.id for each in results if isinstance(each, ToSend)}

    assert len(ids(plain)) == 3
    assert not ids(plain) & ids(read(tmp_path, GOOD, GOOD, GOOD))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="its first line must be InvoiceNo,"):
        list(read_sales(path))


@cache
def whole_file() -> list[SalesLine]:
    return list(read_sales(REAL))


@cache
def counted() -> Expected:
    return count(REAL)


def test_the_whole_file_becomes_these_commands() -> None:
    results = whole_file()
    assert Counter(type(each.command if isinstance(each, ToSend) else each).__name__ for each in results) == {
        "AddProductToCart": 38849,
        "CheckOutCart": 1594,
        "Credit": 644,
        "NotAddressable": 36,
        "Unreadable": 1,
    }
    assert [each for each in results if isinstance(each, Unreadable)] == [Unreadable(39531, "3 fields instead of 8")]
    assert len({each.id for each in results if isinstance(each, ToSend)}) == 38849 + 1594


def test_every_invoice_is_checked_out_after_its_last_product() -> None:
    for cart_id in ("536365", "536591", "539650"):
        own = [type(each).__name__ for each in commands(whole_file()) if each.cart_id == cart_id]
        assert own.index("CheckOutCart") == len(own) - 1


def test_the_independent_count_of_the_whole_file() -> None:
    expected = counted()
    assert expected.lines == 39530
    assert expected.commands == {"AddProductToCart": 38849, "CheckOutCart": 1594}
    assert expected.no_commands == {"credit": 644, "not_addressable": 36, "unreadable": 1}
    assert expected.outcomes == {
        "accepted": 40103,
        "quantity_not_positive": 69,
        "price_not_positive": 133,
        "empty_cart": 138,
    }
    assert expected.events == {"ProductAddedToCart": 38647, "CartCheckedOut": 1456}
    assert (len(expected.carts), expected.cart_lines) == (1456, 38647)
    assert (expected.quantity, expected.pence) == (333525, 75571718)
    assert expected.pence_by_country["EIRE"] == 898111


def test_importer_receiver_and_table_come_to_what_was_counted_apart_from_them() -> None:
    """The whole path without a broker: a dictionary stands for each table."""
    expected = counted()
    sent, outcomes, events = Counter[str](), Counter[str](), Counter[str]()
    states: dict[str, CartState | None] = {}
    rows: dict[str, CartRow] = {}
    for command in commands(whole_file()):
        sent[type(command).__name__] += 1
        decided = Given(receiver, states.get(command.cart_id)).when(command)
        states[command.cart_id] = decided.after.state
        outcomes[decided.rejected.code if decided.rejected else "accepted"] += 1
        for event in decided.events:
            events[type(event).__name__] += 1
            rows[command.cart_id] = table.handlers[type(event)].function(rows.get(command.cart_id), event)
    assert (sent, outcomes, events) == (expected.commands, expected.outcomes, expected.events)
    assert {row.status for row in rows.values()} == {CartStatus.CHECKED_OUT}
    assert expected.carts == {
        cart_id: Cart(row.country or "", row.customer_id or "", row.lines, row.quantity, row.total_pence)
        for cart_id, row in rows.items()
    }
