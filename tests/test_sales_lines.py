"""The rules of `producers/data/README.md`, on lines made dirty for it and on the whole real file."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from producers.counting import Expected, Sold, count
from producers.sales_lines import NotAddressable, SalesLine, ToSend, Unreadable, read_sales
from schemas.accounts import CreditBalance
from schemas.carts import AddProductToCart, CheckOutCart

REAL = Path(__file__).parents[1] / "producers/data/online_retail_2010-12.csv.gz"
HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
GOOD = "536365,85123A,WHITE LANTERN,6,01/12/2010 08:26,2.55,17850,United Kingdom"
LATER = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def read(folder: Path, *lines: str) -> list[SalesLine]:
    path = folder / "sales.csv"
    path.write_bytes("\n".join([HEAD, *lines]).encode("latin-1"))
    return list(read_sales(path))


def commands(results: Iterable[SalesLine]) -> list[AddProductToCart | CheckOutCart]:
    """Of carts; credits are looked at apart."""
    sent = (each.command for each in results if isinstance(each, ToSend))
    return [command for command in sent if not isinstance(command, CreditBalance)]


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
    sent, unaddressed = read(tmp_path, credit, credit.replace("17850", ""))
    assert isinstance(sent, ToSend)
    assert sent.command == CreditBalance(account_id="17850", pence=1530, reference="C536365")
    assert unaddressed == NotAddressable(line=3)


@pytest.mark.parametrize(("quantity", "price", "pence"), [("0", "2.55", 0), ("6", "2.55", -1530), ("-6", "0", 0)])
def test_a_credit_of_nothing_or_less_is_sent_as_it_is(tmp_path: Path, quantity: str, price: str, pence: int) -> None:
    """Refusing it is the receiver's business, not the importer's."""
    line = GOOD.replace("536365", "C536365").replace(",6,", f",{quantity},").replace("2.55", price)
    (sent,) = read(tmp_path, line)
    assert isinstance(sent, ToSend)
    assert sent.command == CreditBalance(account_id="17850", pence=pence, reference="C536365")


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
        "CreditBalance": 644,
        "NotAddressable": 36,
        "Unreadable": 1,
    }
    assert [each for each in results if isinstance(each, Unreadable)] == [Unreadable(39531, "3 fields instead of 8")]
    assert len({each.id for each in results if isinstance(each, ToSend)}) == 38849 + 1594 + 644


def test_every_invoice_is_checked_out_after_its_last_product() -> None:
    for cart_id in ("536365", "536591", "539650"):
        own = [type(each).__name__ for each in commands(whole_file()) if each.cart_id == cart_id]
        assert own.index("CheckOutCart") == len(own) - 1


def test_the_file_may_be_gone_through_again(tmp_path: Path) -> None:
    read(tmp_path, GOOD, GOOD.replace("536365", "C536365"))
    sales = read_sales(tmp_path / "sales.csv")
    first, again = list(sales), list(sales)
    assert first == again
    assert all(each.id.startswith(sales.prefix) for each in first if isinstance(each, ToSend))


def test_the_independent_count_of_the_whole_file() -> None:
    expected = counted()
    assert expected.lines == 39530
    assert expected.no_commands == {"not_addressable": 36, "unreadable": 1}
    assert expected.outcomes == {
        "AddProductToCart": {"accepted": 38647, "quantity_not_positive": 69, "price_not_positive": 133},
        "CheckOutCart": {"accepted": 1456, "empty_cart": 138},
        "PlaceOrder": {"accepted": 1456},
        "DebitBalance": {"accepted": 1340},
        "ConfirmOrder": {"accepted": 1456},
        "CreditBalance": {"accepted": 479, "credit_exceeds_debits": 165},
    }
    assert (len(expected.carts), expected.cart_lines) == (1456, 38647)
    assert (expected.quantity, expected.pence) == (333525, 75571718)
    assert expected.pence_by_country["EIRE"] == 898111
    assert (len(expected.accounts), expected.debited, expected.credited) == (860, 54387924, 1284769)
    assert (len(expected.customers), len(expected.minutes)) == (860, 1350)
    assert sum(sold.pence for sold in expected.customers.values()) == expected.debited
    assert sum(sold.pence for sold in expected.minutes.values()) == expected.pence


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ([1530], ["accepted"]),
        ([1531, 1530], ["credit_exceeds_debits", "accepted"]),
        ([1000, 531, 530, 1], ["accepted", "credit_exceeds_debits", "accepted", "credit_exceeds_debits"]),
        ([0, -5, 1530], ["amount_not_positive", "amount_not_positive", "accepted"]),
    ],
)
def test_the_independent_count_gives_credits_in_file_order_whole_or_not_at_all(
    tmp_path: Path, amounts: list[int], words: list[str]
) -> None:
    credit = GOOD.replace("536365", "C1").replace(",6,", ",{},").replace("2.55", "0.01")
    read(tmp_path, *(credit.format(-amount) for amount in amounts), GOOD)  # before the sale, and yet after it
    expected = count(tmp_path / "sales.csv")
    assert expected.outcomes["CreditBalance"] == Counter(words)
    given = sum(amount for amount, word in zip(amounts, words, strict=True) if word == "accepted")
    assert (expected.accounts["17850"].debits, expected.credited) == ([1530], given)


def test_the_independent_count_of_guests_minutes_and_strangers(tmp_path: Path) -> None:
    guest = GOOD.replace("536365", "536366").replace("17850", "")
    later = GOOD.replace("536365", "536367").replace("08:26", "08:27").replace("United Kingdom", "EIRE")
    stranger = GOOD.replace("536365", "C536368").replace("17850", "99999").replace(",6,", ",-6,")
    read(tmp_path, GOOD, guest, later, stranger)
    expected = count(tmp_path / "sales.csv")
    assert expected.outcomes["DebitBalance"] == {"accepted": 2}
    assert expected.outcomes["ConfirmOrder"] == {"accepted": 3}
    assert expected.outcomes["CreditBalance"] == {"credit_exceeds_debits": 1}
    assert expected.customers == {"17850": Sold(2, 3060)}
    assert set(expected.accounts) == {"17850"}
    assert expected.minutes == {
        ("United Kingdom", "2010-12-01T08:26"): Sold(2, 3060),
        ("EIRE", "2010-12-01T08:27"): Sold(1, 1530),
    }
