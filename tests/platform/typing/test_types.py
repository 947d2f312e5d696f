"""What type checkers know of a user's code: `mypy` checks this file with all others, and refuses a wrong `assert_type`.

The functions that take a client are never called; the others run as tests, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type, get_args

import pytest

from schemas.accounts import DebitBalance
from schemas.carts import CartRow, CheckOutCart, GetCart
from schemas.orders import FindOrders, GetOrder, OrderReceipt, OrderRow, PlaceOrder
from schemas.sales import SalesMinuteRow, SalesPerMinute
from verbwire import Accepted, Command, Expired, Failed, Outcome, Page, Query, Rejected
from verbwire.client import Client, CommandHandle, QueryResult
from verbwire.testing import InMemory


def asking(client: Client, place: PlaceOrder, check_out: CheckOutCart) -> None:
    assert_type(client.ask(place), CommandHandle[OrderReceipt])
    outcome = client.ask(place).result(5)
    assert_type(outcome, Outcome[OrderReceipt])
    match outcome:
        case Accepted(reply=receipt):
            assert_type(outcome, Accepted[OrderReceipt])
            assert_type(receipt, OrderReceipt)
        case Rejected(code, reason):
            assert_type((code, reason), tuple[str, str])
        case Failed(reason=reason):
            assert_type(reason, str)
        case Expired():
            assert_type(outcome, Expired)
    assert_type(client.ask(check_out).result(), Outcome[None])


async def awaiting(client: Client, place: PlaceOrder, find: FindOrders) -> None:
    assert_type(await client.ask(place), Outcome[OrderReceipt])
    assert_type(await client.query(find), Page[OrderRow])


def resuming(client: Client) -> None:
    assert_type(client.resume("token"), CommandHandle[Any])


def querying(client: Client, sales: SalesPerMinute) -> None:
    assert_type(client.query(GetOrder(order_id="1")), QueryResult[OrderRow])
    assert_type(client.query(GetOrder(order_id="1")).result(), OrderRow)
    page = client.query(sales).result()
    assert_type(page, Page[SalesMinuteRow])
    assert_type(client.query(sales, after=page).result().rows, tuple[SalesMinuteRow, ...])


def in_memory(shop: InMemory, place: PlaceOrder, order: GetOrder) -> None:
    """A project in memory replies with the same types as a client does."""
    assert_type(shop.ask(place), Outcome[OrderReceipt])
    assert_type(shop.query(order), OrderRow)
    assert_type(shop.acting_as("ann").ask(place), Outcome[OrderReceipt])
    assert_type(shop.acting_as("ann").query(order), OrderRow)


def of_any_kind(client: Client, command: Command, query: Query) -> None:
    """Code about any command, or any query, needs no arguments."""
    assert_type(client.ask(command), CommandHandle[Any])
    assert_type(client.query(query).result(), Any)
    sends: list[type[Command]] = [PlaceOrder, CheckOutCart, DebitBalance]
    assert sends


@pytest.mark.parametrize(
    ("request_class", "reply"),
    [(PlaceOrder, OrderReceipt), (CheckOutCart, type(None)), (GetCart, CartRow), (FindOrders, Page[OrderRow])],
)
def test_the_reply_can_be_read_off_the_class(request_class: type[Any], reply: Any) -> None:
    assert get_args(request_class.__orig_bases__[0]) == (reply,)


def test_outcomes_that_are_generic_are_the_values_they_were() -> None:
    made: Callable[..., Accepted[int]] = Accepted
    assert made(reply=1) == Accepted(reply=1)
    assert Accepted() == Accepted(reply=None)
