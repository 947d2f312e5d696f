"""The checkout process: takes a sale through orders and accounts, step by step, and undoes what cannot be finished.

A cart that was checked out becomes an order of the same number, the order's total is put on the customer's account
(a guest has none), the order is confirmed. An order that somebody placed without a cart is led on in the same way. One
that is to be paid in advance is confirmed once it is, and cancelled if it is not in time.

Whatever is refused or breaks on the way ends in one of two: everything undone, the order cancelled and the account
credited; or, where undoing was refused as well, a state that stays, STOPPED, with the problem in words.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from schemas.accounts import CreditBalance, DebitBalance
from schemas.carts import CartCheckedOut
from schemas.checkout import CheckoutState, CheckoutStep
from schemas.orders import CancelOrder, ConfirmOrder, OrderPaid, OrderPlaced, PlaceOrder
from verbwire import Accepted, Command, Deadline, Expired, Failed, Outcome, Process, Rejected

checkout = Process(
    "shop.checkout",
    state=CheckoutState,
    sends=[PlaceOrder, DebitBalance, ConfirmOrder, CancelOrder, CreditBalance],
    scopes=["orders:write", "accounts:write"],
)

LONGEST_REASON = 500  # what CancelOrder takes; a receiver's own words may be longer

PAYMENT = "payment"  # the deadline until which an order is to be paid in advance

Timed = tuple[CheckoutState, Deadline] | tuple[CheckoutState, Command, Deadline]
Next = CheckoutState | None | tuple[CheckoutState, Command] | Timed
"""Where it stands now, and what has to be done to get on; None: it is over."""


@checkout.on(key="cart_id")
def bought(state: CheckoutState | None, event: CartCheckedOut) -> Next:
    """The cart becomes an order of its number."""
    order = PlaceOrder(
        order_id=event.cart_id,
        customer_id=event.customer_id,
        country=event.country,
        total_pence=event.total_pence,
        placed_at=event.checked_out_at,
    )
    return state or CheckoutState(order_id=event.cart_id), order


@checkout.outcome_of(PlaceOrder)
def place_answered(state: CheckoutState | None, outcome: Outcome) -> Next:
    """Stop where the order was refused; an accepted one goes on with its event, OrderPlaced."""
    if state is None or isinstance(outcome, Accepted):
        return state
    problem = f"the cart did not become an order: {_why(outcome)}"
    # Under way already means that somebody else had placed an order of this number: that one goes on.
    return _stopped(state, problem) if state.step is CheckoutStep.PLACING else replace(state, problem=problem)


@checkout.on(key="order_id")
def placed(state: CheckoutState | None, event: OrderPlaced) -> Next:
    """Debit the customer's account; a guest's order is confirmed at once, one to be paid in advance once it is."""
    state = CheckoutState(
        order_id=event.order_id,
        customer_id=event.customer_id,
        total_pence=event.total_pence,
        problem=state.problem if state else None,
    )
    if event.pay_within_seconds is not None:
        waiting = Deadline(PAYMENT, after=timedelta(seconds=event.pay_within_seconds))
        return replace(state, step=CheckoutStep.PAYING), waiting
    if event.customer_id is None:
        return _confirming(state)
    debit = DebitBalance(account_id=event.customer_id, pence=event.total_pence, order_id=event.order_id)
    return replace(state, step=CheckoutStep.DEBITING), debit


@checkout.on(key="order_id")
def paid(state: CheckoutState | None, event: OrderPaid) -> Next:
    """Confirm what was paid in advance."""
    if state is None or state.step is not CheckoutStep.PAYING:
        return state
    return *_confirming(replace(state, paid=True)), Deadline.clear(PAYMENT)


@checkout.due(PAYMENT)
def unpaid(state: CheckoutState) -> Next:
    """Cancel what was not paid in time."""
    return _cancelling(state, "it was not paid in time")


@checkout.outcome_of(DebitBalance)
def debit_answered(state: CheckoutState | None, outcome: Outcome) -> Next:
    """Confirm an order that is paid for; cancel one that cannot be."""
    if state is None:
        return None
    if isinstance(outcome, Accepted):
        return _confirming(replace(state, debited=True))
    return _cancelling(state, f"the account was not debited: {_why(outcome)}")


@checkout.outcome_of(ConfirmOrder)
def confirm_answered(state: CheckoutState | None, outcome: Outcome) -> Next:
    """End with a confirmed order, whoever confirmed it; credit the account of one that was cancelled meanwhile."""
    if state is None:
        return None
    match outcome:
        case Accepted() | Rejected(code="already_confirmed"):
            return _stopped(state, state.problem) if state.problem else None
        case Rejected(code="already_cancelled"):
            return _refunding(state, "the order was cancelled meanwhile")
        case _:
            return _cancelling(state, f"the order was not confirmed: {_why(outcome)}")


@checkout.outcome_of(CancelOrder)
def cancel_answered(state: CheckoutState | None, outcome: Outcome) -> Next:
    """Credit the account of a cancelled order; one that was confirmed meanwhile stands, if it was paid for."""
    if state is None:
        return None
    match outcome:
        case Accepted() | Rejected(code="already_cancelled"):
            return _refunding(state, state.problem or "the order was cancelled")
        case Rejected(code="already_confirmed") if state.debited or state.paid or state.customer_id is None:
            return None
        case Rejected(code="already_paid") if not state.paid:  # at the last moment
            return _confirming(replace(state, paid=True, problem=None))
        case _:
            return _stopped(state, f"{state.problem}; and it was not cancelled: {_why(outcome)}")


@checkout.outcome_of(CreditBalance)
def credit_answered(state: CheckoutState | None, outcome: Outcome) -> Next:
    """End once the account is credited."""
    if state is None or isinstance(outcome, Accepted):
        return None
    return _stopped(state, f"{state.problem}; and the account was not credited: {_why(outcome)}")


def _confirming(state: CheckoutState) -> tuple[CheckoutState, Command]:
    return replace(state, step=CheckoutStep.CONFIRMING), ConfirmOrder(order_id=state.order_id)


def _cancelling(state: CheckoutState, problem: str) -> Next:
    cancel = CancelOrder(order_id=state.order_id, reason=problem[:LONGEST_REASON])
    return replace(state, step=CheckoutStep.CANCELLING, problem=problem), cancel


def _refunding(state: CheckoutState, problem: str) -> Next:
    if state.customer_id is None or not state.debited:
        return None
    credit = CreditBalance(account_id=state.customer_id, pence=state.total_pence, reference=state.order_id)
    return replace(state, step=CheckoutStep.REFUNDING, problem=problem), credit


def _stopped(state: CheckoutState, problem: str) -> CheckoutState:
    return replace(state, step=CheckoutStep.STOPPED, problem=problem)


def _why(outcome: Outcome) -> str:
    match outcome:
        case Rejected(code, reason):
            return f"{code} ({reason})" if reason else code
        case Failed(reason=reason):
            return f"its receiver failed ({reason})" if reason else "its receiver failed"
        case Expired():
            return "its receiver came to it too late"
        case _:
            return "accepted"
