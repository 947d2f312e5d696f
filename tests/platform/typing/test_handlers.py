"""Decorators keep the types of the functions that they register: `mypy` checks this file with all others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, assert_type

from schemas.accounts import DebitBalance
from schemas.carts import CartCheckedOut
from schemas.checkout import CheckoutState
from schemas.forms import CheckOrderForm, FormCheck
from schemas.orders import (
    FindOrders,
    OrderConfirmed,
    OrderPlaced,
    OrderReceipt,
    OrderRow,
    OrderState,
    PlaceOrder,
)
from schemas.reports import BuildSalesReport
from verbwire import (
    Accepted,
    Aggregate,
    Context,
    Job,
    JobContext,
    Outcome,
    OutcomeContext,
    PageRequest,
    Principal,
    Process,
    Rejected,
    Resource,
    Responder,
    Rows,
    Subscriber,
    SubscriberContext,
    Table,
    resource,
)

orders = Aggregate("shop.orders", state=OrderState)
table = Table("shop.orders", row=OrderRow)
checkout = Process("shop.checkout", state=CheckoutState, sends=[PlaceOrder, DebitBalance])
subscriber, job, forms = Subscriber("shop.receipts"), Job("shop.reports"), Responder("shop.forms")


@orders.handles
def place(command: PlaceOrder, order: OrderState | None) -> tuple[OrderPlaced, OrderReceipt] | Rejected:
    return Rejected("closed")


@orders.applies
def placed(order: OrderState | None, event: OrderPlaced, context: Context) -> OrderState:
    return OrderState(order_id=event.order_id)


@orders.applies
def confirmed(order: OrderState, event: OrderConfirmed) -> OrderState:
    return order


@table.on
def row_placed(order: OrderRow | None, event: OrderPlaced) -> OrderRow | None:
    return order


@table.on
def row_confirmed(order: OrderRow, event: OrderConfirmed) -> OrderRow:
    return order


@table.rekeys
def customer_of(event: OrderPlaced) -> str | None:
    return event.customer_id


@table.visible
def own(principal: Principal) -> Mapping[str, Any]:
    return {"customer_id": principal.actor}


@checkout.on(key="cart_id")
def bought(state: CheckoutState | None, event: CartCheckedOut) -> tuple[CheckoutState, DebitBalance]:
    raise NotImplementedError


@checkout.outcome_of(PlaceOrder)
def place_answered(
    state: CheckoutState | None, outcome: Outcome[OrderReceipt], context: OutcomeContext
) -> CheckoutState | None:
    match outcome:
        case Accepted(reply=receipt):
            assert_type(receipt, OrderReceipt)
            return CheckoutState(order_id=receipt.order_id)
        case _:
            return state


@subscriber.on
def issue(event: OrderConfirmed, context: SubscriberContext) -> None: ...


@job.handles
def build(command: BuildSalesReport, context: JobContext) -> None: ...


@forms.answers
def check_order_form(form: CheckOrderForm, principal: Principal) -> FormCheck:
    return FormCheck(ok=True, reasons=())


@forms.answers
async def find_orders(query: FindOrders, page: PageRequest, principal: Principal) -> Rows[OrderRow]:
    return Rows([OrderRow(order_id=page.cursor or "")] * await database.value.answer(), complete=True)


@subscriber.on
async def audit(event: OrderPlaced) -> None: ...


class Pool:
    async def answer(self) -> int:
        return 1


@resource
async def database() -> AsyncIterator[Pool]:
    yield Pool()


def keep_their_types() -> None:
    assert_type(place, Callable[[PlaceOrder, OrderState | None], tuple[OrderPlaced, OrderReceipt] | Rejected])
    assert_type(placed, Callable[[OrderState | None, OrderPlaced, Context], OrderState])
    assert_type(confirmed, Callable[[OrderState, OrderConfirmed], OrderState])
    assert_type(row_placed, Callable[[OrderRow | None, OrderPlaced], OrderRow | None])
    assert_type(row_confirmed, Callable[[OrderRow, OrderConfirmed], OrderRow])
    assert_type(customer_of, Callable[[OrderPlaced], str | None])
    assert_type(own, Callable[[Principal], Mapping[str, Any]])
    assert_type(bought, Callable[[CheckoutState | None, CartCheckedOut], tuple[CheckoutState, DebitBalance]])
    assert_type(
        place_answered,
        Callable[[CheckoutState | None, Outcome[OrderReceipt], OutcomeContext], CheckoutState | None],
    )
    assert_type(issue, Callable[[OrderConfirmed, SubscriberContext], None])
    assert_type(build, Callable[[BuildSalesReport, JobContext], None])
    assert_type(check_order_form, Callable[[CheckOrderForm, Principal], FormCheck])
    assert_type(find_orders, Callable[[FindOrders, PageRequest, Principal], Coroutine[Any, Any, Rows[OrderRow]]])
    assert_type(audit, Callable[[OrderPlaced], Coroutine[Any, Any, None]])
    assert_type(database, Resource[Pool])
    assert_type(database.value, Pool)


def test_a_registered_function_is_still_that_function() -> None:
    assert place is orders.handlers[PlaceOrder].function
    assert checkout.outcomes[PlaceOrder].function is place_answered
    assert table.row_filter is own
