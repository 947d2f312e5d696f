"""The aggregate of accounts: credits never exceed debits, in whatever order the commands come."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.accounts import AccountState, BalanceCredited, BalanceDebited, CreditBalance, DebitBalance
from verbwire import Aggregate, Rejected

accounts = Aggregate("shop.accounts", state=AccountState)


@accounts.handles
def debit(command: DebitBalance, account: AccountState | None) -> BalanceDebited | Rejected:
    """Debit an account; the first debit opens it."""
    if command.pence <= 0:
        return Rejected("amount_not_positive", f"{command.pence} pence is nothing to pay")
    return BalanceDebited(account_id=command.account_id, pence=command.pence, order_id=command.order_id)


@accounts.handles
def credit(command: CreditBalance, account: AccountState | None) -> BalanceCredited | Rejected:
    """Credit an account, at most by what was debited."""
    if command.pence <= 0:
        return Rejected("amount_not_positive", f"{command.pence} pence is nothing to give back")
    account = account or AccountState(account_id=command.account_id)
    left = account.debited_pence - account.credited_pence
    if command.pence > left:
        return Rejected(
            "credit_exceeds_debits",
            f"{command.pence} pence are more than the {left} pence that account {command.account_id} could get back",
            {"left_pence": str(left)},
        )
    return BalanceCredited(account_id=command.account_id, pence=command.pence, reference=command.reference)


@accounts.applies
def debited(account: AccountState | None, event: BalanceDebited) -> AccountState:
    """The first debit opens the account."""
    account = account or AccountState(account_id=event.account_id)
    return replace(account, debited_pence=account.debited_pence + event.pence)


@accounts.applies
def credited(account: AccountState, event: BalanceCredited) -> AccountState:
    """Note what was credited: it cannot be credited again."""
    return replace(account, credited_pence=account.credited_pence + event.pence)
