"""The checkout, step by step, as pure functions: what it sends, and where it stands. No broker, no worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from consumers.checkout import checkout
from schemas.accounts import CreditBalance, DebitBalance
from schemas.carts import CartCheckedOut
from schemas.checkout import CheckoutState, CheckoutStep
from schemas.orders import CancelOrder, ConfirmOrder, OrderPaid, OrderPlaced, OrderStatus, PayOrder, PlaceOrder
from streams.orders import orders
from tests.shop import catalog, shop_in_memory
from verbwire import Accepted, Command, Deadline, Expired, Failed, Outcome, Rejected
from verbwire.testing import ProcessInstance, ProcessStep, given

CATALOG = catalog()
MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
BOUGHT = CartCheckedOut(
    cart_id="536365",
    customer_id="17850",
    country="United Kingdom",
    lines=7,
    total_pence=13912,
    checked_out_at=MORNING,
)
PLACE = PlaceOrder(
    order_id="536365", customer_id="17850", country="United Kingdom", total_pence=13912, placed_at=MORNING
)
PLACED = OrderPlaced(
    order_id="536365", customer_id="17850", country="United Kingdom", total_pence=13912, placed_at=MORNING
)
BEGUN = CheckoutState(order_id="536365")
DEBITING = CheckoutState(order_id="536365", step=CheckoutStep.DEBITING, customer_id="17850", total_pence=13912)
CONFIRMING = replace(DEBITING, step=CheckoutStep.CONFIRMING, debited=True)
GUESTS = CheckoutState(order_id="536365", step=CheckoutStep.CONFIRMING, total_pence=13912)
DEBIT = DebitBalance(account_id="17850", pence=13912, order_id="536365")
PAID = OrderPaid(order_id="536365")
CONFIRM = ConfirmOrder(order_id="536365")
CREDIT = CreditBalance(account_id="17850", pence=13912, reference="536365")


def at(state: CheckoutState | None) -> ProcessInstance[CheckoutState]:
    """A checkout that stands there."""
    return given(checkout, state=state, catalog=CATALOG)


def problem(led: ProcessStep[CheckoutState]) -> str:
    """What a person is told who has to help; the checkout has to stand still."""
    state = led.after.state
    assert state is not None
    assert state.step is CheckoutStep.STOPPED
    assert not led.commands
    return state.problem or ""


def test_a_sale_from_the_cart_to_its_end() -> None:
    led = at(None).when(BOUGHT).then(PLACE).then_state(BEGUN)
    led = led.when(Accepted(), of=PlaceOrder).then().then_state(BEGUN)
    led = led.when(PLACED).then(DEBIT).then_state(DEBITING)
    led = led.when(Accepted(), of=DebitBalance).then(CONFIRM).then_state(CONFIRMING)
    led.when(Accepted(), of=ConfirmOrder).then().then_state(None)


def test_a_guest_has_no_account_and_is_confirmed_at_once() -> None:
    led = at(BEGUN).when(replace(PLACED, customer_id=None)).then(CONFIRM).then_state(GUESTS)
    led.when(Accepted(), of=ConfirmOrder).then().then_state(None)


def test_an_order_that_somebody_placed_without_a_cart_is_led_on_as_well() -> None:
    at(None).when(PLACED).then(DEBIT).then_state(DEBITING)


def test_the_outcome_of_placing_may_come_late_and_when_all_is_over() -> None:
    at(DEBITING).when(Accepted(), of=PlaceOrder).then().then_state(DEBITING)
    at(None).when(Accepted(), of=PlaceOrder).then().then_state(None)


@pytest.mark.parametrize("outcome", [Rejected("empty_order"), Failed(reason="a bug"), Expired()])
def test_a_cart_that_became_no_order_stays_with_its_problem(outcome: Outcome) -> None:
    assert "did not become an order" in problem(at(BEGUN).when(outcome, of=PlaceOrder))


def test_a_cart_whose_number_was_taken_stops_while_the_other_order_goes_on() -> None:
    """The other order's steps come between the cart's check-out and the answer to it."""
    led = at(DEBITING).when(BOUGHT).then(PLACE).then_state(DEBITING)
    led = led.when(Rejected("already_placed"), of=PlaceOrder).then()
    led = led.when(Accepted(), of=DebitBalance).then(CONFIRM)
    assert "already_placed" in problem(led.when(Accepted(), of=ConfirmOrder))


def test_the_problem_stays_when_the_other_order_is_heard_of_later() -> None:
    led = at(BEGUN).when(Rejected("already_placed"), of=PlaceOrder)
    assert "already_placed" in problem(led)
    led = led.when(PLACED).then(DEBIT).when(Accepted(), of=DebitBalance).then(CONFIRM)
    assert "already_placed" in problem(led.when(Accepted(), of=ConfirmOrder))


@pytest.mark.parametrize("outcome", [Rejected("amount_not_positive"), Failed(), Expired()])
def test_what_cannot_be_paid_for_is_called_off_and_costs_nothing(outcome: Outcome) -> None:
    led = at(DEBITING).when(outcome, of=DebitBalance)
    (command,) = led.commands
    assert isinstance(command, CancelOrder)
    assert "not debited" in command.reason
    led.when(Accepted(), of=CancelOrder).then().then_state(None)


def test_an_order_that_was_cancelled_while_it_was_paid_for_is_paid_back() -> None:
    led = at(CONFIRMING).when(Rejected("already_cancelled"), of=ConfirmOrder).then(CREDIT)
    led.when(Accepted(), of=CreditBalance).then().then_state(None)


def test_a_guests_order_that_was_cancelled_meanwhile_is_simply_over() -> None:
    at(GUESTS).when(Rejected("already_cancelled"), of=ConfirmOrder).then().then_state(None)


@pytest.mark.parametrize("cancelled", [Accepted(), Rejected("already_cancelled")])
@pytest.mark.parametrize("outcome", [Failed(), Expired(), Rejected("not_placed")])
def test_an_order_that_could_not_be_confirmed_is_called_off_and_paid_back(outcome: Outcome, cancelled: Outcome) -> None:
    led = at(CONFIRMING).when(outcome, of=ConfirmOrder)
    assert [type(command) for command in led.commands] == [CancelOrder]
    led = led.when(cancelled, of=CancelOrder).then(CREDIT)
    led.when(Accepted(), of=CreditBalance).then().then_state(None)


@pytest.mark.parametrize("state", [CONFIRMING, GUESTS])
def test_an_order_that_somebody_confirmed_before_is_confirmed(state: CheckoutState) -> None:
    at(state).when(Rejected("already_confirmed"), of=ConfirmOrder).then().then_state(None)
    calling_off = at(state).when(Failed(), of=ConfirmOrder)
    calling_off.when(Rejected("already_confirmed"), of=CancelOrder).then().then_state(None)


def test_an_order_that_was_confirmed_and_never_paid_for_waits_for_a_person() -> None:
    calling_off = at(DEBITING).when(Failed(), of=DebitBalance)
    assert "not cancelled" in problem(calling_off.when(Rejected("already_confirmed"), of=CancelOrder))


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (CancelOrder, Failed()),
        (CancelOrder, Rejected("not_placed")),
        (CreditBalance, Rejected("credit_exceeds_debits", "0 pence are left")),
        (CreditBalance, Expired()),
    ],
)
def test_what_cannot_be_undone_waits_for_a_person_with_both_problems_in_words(
    command: type[Command], outcome: Outcome
) -> None:
    undoing = at(replace(CONFIRMING, problem="the order was not confirmed"))
    assert problem(undoing.when(outcome, of=command)).startswith("the order was not confirmed; and ")


@pytest.mark.parametrize("command", [DebitBalance, ConfirmOrder, CancelOrder, CreditBalance])
def test_what_is_over_stays_over(command: type[Command]) -> None:
    at(None).when(Failed(), of=command).then().then_state(None)


def test_what_is_paid_in_advance_is_confirmed_when_it_is_and_cancelled_when_it_is_not_in_time() -> None:
    led = at(BEGUN).when(replace(PLACED, pay_within_seconds=900)).then(Deadline("payment", after=timedelta(minutes=15)))
    led.when(PAID).then(CONFIRM, Deadline.clear("payment")).when(Accepted(), of=ConfirmOrder).then().then_state(None)
    cancelling = led.due("payment").then(CancelOrder(order_id="536365", reason="it was not paid in time"))
    cancelling.when(Accepted(), of=CancelOrder).then().then_state(None)
    confirming = cancelling.when(Rejected("already_paid"), of=CancelOrder).then(CONFIRM)  # at the last moment
    confirming.when(PAID).then().when(Accepted(), of=ConfirmOrder).then().then_state(None)
    failing = confirming.when(Failed(), of=ConfirmOrder)
    assert "not cancelled" in problem(failing.when(Rejected("already_paid"), of=CancelOrder))


@pytest.mark.parametrize("paying", [True, False])
def test_an_order_to_be_paid_in_advance_is_kept_for_its_time_in_the_shop(paying: bool) -> None:
    with shop_in_memory() as shop:
        shop.ask(replace(PLACE, pay_within_seconds=900))
        shop.advance(timedelta(minutes=14))
        if paying:
            shop.ask(PayOrder(order_id="536365"))
        shop.advance(timedelta(minutes=2))
        order = shop.row(orders, "536365")
        assert order is not None
        expected = (OrderStatus.CONFIRMED, None) if paying else (OrderStatus.CANCELLED, "it was not paid in time")
        assert (order.status, order.cancelled_because) == expected
        assert (shop.rows(checkout), shop.commands(DebitBalance)) == ({}, [])
        late = shop.ask(PayOrder(order_id="536365"))
        assert isinstance(late, Rejected)
        assert late.code == ("already_confirmed" if paying else "already_cancelled")
