"""Names may be shortened to any dotted end that no other one shares."""

from __future__ import annotations

import pytest

from verbwire.dotted_names import DottedNames

NAMES = DottedNames(["shop.orders.PlaceOrder", "old.orders.PlaceOrder", "shop.carts.CheckOut", "CheckOut"])


@pytest.mark.parametrize(
    ("name", "matching"),
    [
        ("shop.orders.PlaceOrder", ["shop.orders.PlaceOrder"]),
        ("orders.PlaceOrder", ["old.orders.PlaceOrder", "shop.orders.PlaceOrder"]),
        ("carts.CheckOut", ["shop.carts.CheckOut"]),
        ("CheckOut", ["CheckOut"]),  # a full name wins over the end of another
        ("Order", []),
        ("", []),
    ],
)
def test_a_name_is_found_by_itself_or_by_an_end_of_its_own(name: str, matching: list[str]) -> None:
    assert NAMES.matching(name) == matching


def test_the_short_names_of_a_name_mean_no_other() -> None:
    assert NAMES.short("shop.carts.CheckOut") == ["carts.CheckOut"]
    assert NAMES.short("shop.orders.PlaceOrder") == []
