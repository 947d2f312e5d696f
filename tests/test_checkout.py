"""The checkout, step by step as pure functions, and all of it with receivers that a dictionary stands for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from consumers.checkout import (
    bought,
    cancel_answered,
    confirm_answered,
    credit_answered,
    debit_answered,
    place_answered,
    placed,
)
from schemas.accounts import CreditBalance, DebitBalance
from schemas.carts import CartCheckedOut
from schemas.checkout import CheckoutState, CheckoutStep
from schemas.orders import CancelOrder, ConfirmOrder, OrderPlaced, PlaceOrder
from verbwire import Accepted, Expired, Failed, Outcome, Rejected

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
CONFIRM = ConfirmOrder(order_id="536365")
CREDIT = CreditBalance(account_id="17850", pence=13912, reference="536365")


def test_a_cart_becomes_an_order_of_its_number() -> None:
    assert bought(None, BOUGHT) == (BEGUN, PLACE)


def test_the_order_is_put_on_the_customers_account() -> None:
    assert placed(BEGUN, PLACED) == (DEBITING, DEBIT)


def test_a_guest_has_no_account_and_is_confirmed_at_once() -> None:
    assert placed(BEGUN, replace(PLACED, customer_id=None)) == (GUESTS, CONFIRM)


def test_what_is_paid_for_is_confirmed_and_then_it_is_over() -> None:
    assert debit_answered(DEBITING, Accepted()) == (CONFIRMING, CONFIRM)
    assert confirm_answered(CONFIRMING, Accepted()) is None


def test_an_order_that_somebody_placed_without_a_cart_is_led_on_as_well() -> None:
    assert placed(None, PLACED) == (DEBITING, DEBIT)


def test_the_outcome_of_placing_may_come_when_all_is_over() -> None:
    assert place_answered(None, Accepted()) is None
    assert place_answered(DEBITING, Accepted()) == DEBITING


@pytest.mark.parametrize("outcome", [Rejected("empty_order"), Failed(reason="a bug"), Expired()])
def test_a_cart_that_became_no_order_stays_with_its_problem(outcome: Outcome) -> None:
    state = place_answered(BEGUN, outcome)
    assert isinstance(state, CheckoutState)
    assert state.step is CheckoutStep.STOPPED
    assert "did not become an order" in (state.problem or "")


def test_a_cart_whose_number_was_taken_stops_while_the_other_order_goes_on() -> None:
    """The other order's steps come between the cart's check-out and the answer to it."""
    both, _ = result(bought(DEBITING, BOUGHT))
    assert both == DEBITING
    noted, _ = result(place_answered(both, Rejected("already_placed")))
    assert noted is not None
    assert noted.step is CheckoutStep.DEBITING
    confirming, command = result(debit_answered(noted, Accepted()))
    assert command == CONFIRM
    stopped, _ = result(confirm_answered(confirming, Accepted()))
    assert stopped is not None
    assert stopped.step is CheckoutStep.STOPPED
    assert "already_placed" in (stopped.problem or "")


def test_the_problem_stays_when_the_other_order_is_heard_of_later() -> None:
    stopped, _ = result(place_answered(BEGUN, Rejected("already_placed")))
    debiting, command = result(placed(stopped, PLACED))
    assert command == DEBIT
    assert debiting is not None
    assert "already_placed" in (debiting.problem or "")


@pytest.mark.parametrize("outcome", [Rejected("amount_not_positive"), Failed(), Expired()])
def test_what_cannot_be_paid_for_is_called_off_and_costs_nothing(outcome: Outcome) -> None:
    state, command = result(debit_answered(DEBITING, outcome))
    assert isinstance(command, CancelOrder)
    assert "not debited" in command.reason
    assert cancel_answered(state, Accepted()) is None


def test_an_order_that_was_cancelled_while_it_was_paid_for_is_paid_back() -> None:
    state, command = result(confirm_answered(CONFIRMING, Rejected("already_cancelled")))
    assert command == CREDIT
    assert credit_answered(state, Accepted()) is None


def test_a_guests_order_that_was_cancelled_meanwhile_is_simply_over() -> None:
    assert confirm_answered(GUESTS, Rejected("already_cancelled")) is None


@pytest.mark.parametrize("outcome", [Failed(), Expired(), Rejected("not_placed")])
def test_an_order_that_could_not_be_confirmed_is_called_off_and_paid_back(outcome: Outcome) -> None:
    state, command = result(confirm_answered(CONFIRMING, outcome))
    assert isinstance(command, CancelOrder)
    state, command = result(cancel_answered(state, Accepted()))
    assert command == CREDIT
    assert credit_answered(state, Accepted()) is None


@pytest.mark.parametrize("state", [CONFIRMING, GUESTS])
def test_an_order_that_somebody_confirmed_before_is_confirmed(state: CheckoutState) -> None:
    assert confirm_answered(state, Rejected("already_confirmed")) is None
    calling_off, _ = result(confirm_answered(state, Failed()))
    assert cancel_answered(calling_off, Rejected("already_confirmed")) is None


def test_an_order_that_was_confirmed_and_never_paid_for_waits_for_a_person() -> None:
    calling_off, _ = result(debit_answered(DEBITING, Failed()))
    state, command = result(cancel_answered(calling_off, Rejected("already_confirmed")))
    assert command is None
    assert state is not None
    assert state.step is CheckoutStep.STOPPED


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (cancel_answered, Failed()),
        (cancel_answered, Rejected("not_placed")),
        (credit_answered, Rejected("credit_exceeds_debits", "0 pence are left")),
        (credit_answered, Expired()),
    ],
)
def test_what_cannot_be_undone_waits_for_a_person_with_both_problems_in_words(
    answered: Callable[..., Any], outcome: Outcome
) -> None:
    state = answered(replace(CONFIRMING, problem="the order was not confirmed"), outcome)
    assert state.step is CheckoutStep.STOPPED
    assert state.problem.startswith("the order was not confirmed; and ")


def result(given: Any) -> tuple[CheckoutState | None, Any]:
    """What a handler returned, as state and command."""
    return given if isinstance(given, tuple) else (given, None)
