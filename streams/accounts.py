"""The table of accounts: what each customer owes. A customer sees their own; staff, by a scope, all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from schemas.accounts import AccountRow, BalanceCredited, BalanceDebited, GetAccount
from streams.sight import own_unless
from verbwire import Principal, Table

accounts = Table("shop.accounts", row=AccountRow, answers=[GetAccount])


@accounts.visible
def own(principal: Principal) -> Mapping[str, Any]:
    """A customer sees their own account, staff all of them."""
    return own_unless("accounts:all", principal, "account_id")


@accounts.on
def debited(account: AccountRow | None, event: BalanceDebited) -> AccountRow:
    """So much more is owed; the first debit opens the account."""
    account = account or AccountRow(account_id=event.account_id)
    return replace(
        account,
        debits=account.debits + 1,
        debited_pence=account.debited_pence + event.pence,
        balance_pence=account.balance_pence + event.pence,
    )


@accounts.on
def credited(account: AccountRow, event: BalanceCredited) -> AccountRow:
    """So much less is owed."""
    return replace(
        account,
        credits=account.credits + 1,
        credited_pence=account.credited_pence + event.pence,
        balance_pence=account.balance_pence - event.pence,
    )
