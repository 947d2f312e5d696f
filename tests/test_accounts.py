"""The domain of accounts, as pure functions: no broker, no worker."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consumers.accounts import accounts
from schemas.accounts import AccountRow, AccountState, BalanceCredited, BalanceDebited, CreditBalance, DebitBalance
from streams.accounts import accounts as table
from tests.shop import catalog
from verbwire.testing import fold, given

CATALOG = catalog()

DEBIT = DebitBalance(account_id="17850", pence=13912, order_id="536365")
DEBITED = BalanceDebited(account_id="17850", pence=13912, order_id="536365")
CREDIT = CreditBalance(account_id="17850", pence=912, reference="C536379")
CREDITED = BalanceCredited(account_id="17850", pence=912, reference="C536379")


def test_the_first_debit_opens_the_account() -> None:
    given(accounts, catalog=CATALOG).when(DEBIT).then(DEBITED).then_state(
        AccountState(account_id="17850", debited_pence=13912)
    )


def test_what_was_put_on_can_be_given_back() -> None:
    given(accounts, DEBITED, catalog=CATALOG).when(CREDIT).then(CREDITED).then_state(
        AccountState(account_id="17850", debited_pence=13912, credited_pence=912)
    )


def test_all_of_it_can_be_given_back_and_not_a_penny_more() -> None:
    all_but_one = given(accounts, DEBITED, CREDITED, catalog=CATALOG)
    all_but_one.when(replace(CREDIT, pence=13000)).then(replace(CREDITED, pence=13000))
    all_but_one.when(replace(CREDIT, pence=13001)).then_rejected("credit_exceeds_debits", left_pence="13000")


def test_a_refused_credit_takes_nothing_from_what_can_be_given_back() -> None:
    given(accounts, DEBITED, catalog=CATALOG).when(replace(CREDIT, pence=13913)).then_rejected(
        "credit_exceeds_debits"
    ).when(replace(CREDIT, pence=13912)).then(replace(CREDITED, pence=13912))


def test_an_account_without_debits_has_nothing_to_give_back() -> None:
    given(accounts, catalog=CATALOG).when(CREDIT).then_rejected("credit_exceeds_debits", left_pence="0")


@pytest.mark.parametrize("pence", [0, -1])
def test_an_amount_is_positive(pence: int) -> None:
    given(accounts, DEBITED, catalog=CATALOG).when(replace(DEBIT, pence=pence)).then_rejected("amount_not_positive")
    given(accounts, DEBITED, catalog=CATALOG).when(replace(CREDIT, pence=pence)).then_rejected("amount_not_positive")


def test_the_table_shows_what_is_owed() -> None:
    assert fold(table, DEBITED, replace(DEBITED, pence=88), CREDITED, catalog=CATALOG) == AccountRow(
        account_id="17850", debits=2, credits=1, debited_pence=14000, credited_pence=912, balance_pence=13088
    )
