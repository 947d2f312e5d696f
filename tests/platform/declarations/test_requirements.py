"""What tables and processes need of their contracts is told before anything runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.kit import bank_tills
from tests.kit.bank import CATALOG
from tests.kit.samples.bank.books import BookClosed
from tests.kit.samples.bank.jars import PutCoins, TakeCoins
from tests.kit.samples.bank.tills import CoinsMoved, MinuteRow, OwnerRow, SavingState
from tests.kit.samples.office.labels import PrintLabels
from tests.kit.samples.office.parcels import ParcelArrived
from tests.kit.subscribers import CATALOG as DEPOT
from verbwire import Job, Principal, Process, Subscriber, Table, Window
from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.requirements import require_effects, require_process, require_table
from verbwire.errors import ContractError, WrongVerbError

MINUTE = Window(timedelta(minutes=1))


def heard(table: Table[Any]) -> Table[Any]:
    @table.on
    def moved(row: Any, event: CoinsMoved) -> Any:
        return row

    return table


def deaf() -> Table[OwnerRow]:
    """It re-keys what it does not hear, and hears something else."""
    table = Table("bank.owners", row=OwnerRow)
    table.rekeys(bank_tills.owners().keys[CoinsMoved].function)

    @table.on
    def closed(row: OwnerRow | None, event: BookClosed) -> OwnerRow | None:
        return row

    return table


def timeless() -> Table[MinuteRow]:
    table = Table("bank.minutes", row=MinuteRow, window=MINUTE)

    @table.on
    def closed(row: MinuteRow | None, event: BookClosed) -> MinuteRow | None:
        return row

    return table


@pytest.mark.parametrize("table", [bank_tills.owners(), bank_tills.minutes(), bank_tills.own_minutes()])
def test_a_good_table_has_what_it_needs(table: Table[Any]) -> None:
    require_table(table, CATALOG)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (Table("bank.owners", row=OwnerRow), "handles no event: add a handler"),
        (deaf(), "re-keys CoinsMoved and does not handle it"),
        (heard(Table("bank.minutes", row=MinuteRow)), "stands under owner, minute, which only rows of windows may"),
        (heard(Table("bank.minutes", row=OwnerRow, window=MINUTE)), "the key of bank.tills.OwnerRow is owner"),
        (timeless(), r"bank\.books\.BookClosed has none: name its field"),
    ],
)
def test_a_table_that_does_not_fit_its_contracts_is_refused(table: Table[Any], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        require_table(table, CATALOG)


def test_a_process_that_cannot_be_led_is_refused() -> None:
    require_process(bank_tills.savings(), CATALOG)
    with pytest.raises(ContractError, match="handles no event, so nothing can start it"):
        require_process(Process("bank.savings", state=SavingState), CATALOG)


def _moved(state: Any, event: CoinsMoved) -> Any:
    return state


def deaf_to(outcome: bool, scopes: tuple[str, ...] = ("jars:write",)) -> Process[SavingState]:
    ignores = [] if outcome else [TakeCoins]
    process = Process("bank.savings", state=SavingState, sends=[TakeCoins], ignores=ignores, scopes=scopes)
    process.on(key="owner")(_moved)
    return process


def test_an_outcome_that_a_process_does_not_hear_is_named_unless_it_says_that_it_does_not_matter() -> None:
    require_process(deaf_to(outcome=False), CATALOG)
    with pytest.raises(
        ContractError, match=r"sends bank\.jars\.TakeCoins, which promises .* or .*: ignores=\[TakeCoins"
    ):
        require_process(deaf_to(outcome=True), CATALOG)
    take = replace(CATALOG.of(TakeCoins), response="none")
    require_process(deaf_to(outcome=True), Catalog({**CATALOG.contracts, take.name: take}, CATALOG.types))


def test_a_process_has_the_scopes_that_its_commands_require() -> None:
    with pytest.raises(ContractError, match=r"TakeCoins, which requires jars:write: it would be refused every"):
        require_process(deaf_to(outcome=False, scopes=("jars:read",)), CATALOG)


def test_a_process_is_told_all_that_is_wrong_with_its_commands_at_once() -> None:
    process = Process("bank.savings", state=SavingState, sends=[PutCoins, TakeCoins])
    process.on(key="owner")(_moved)
    with pytest.raises(ContractError) as refused:
        require_process(process, CATALOG)
    lines = str(refused.value).splitlines()
    assert [line.split()[3].rstrip(",") for line in lines] == [
        "bank.jars.PutCoins",
        "bank.jars.TakeCoins",
        "bank.jars.TakeCoins",
    ]


def test_a_subscriber_that_sends_what_would_be_refused_is_told_before_it_runs() -> None:
    def shipping(*scopes: str) -> Subscriber:
        return Subscriber("office.shipping", scopes=scopes, sends=[PrintLabels], publishes=[ParcelArrived])

    require_effects(shipping("labels:print"), DEPOT)
    with pytest.raises(ContractError, match=r"sends office\.labels\.PrintLabels, which requires labels:print"):
        require_effects(shipping(), DEPOT)
    with pytest.raises(WrongVerbError, match=r"office\.shipping sends .*ParcelArrived.*, which is no command"):
        Subscriber("office.shipping", sends=[ParcelArrived])  # type: ignore[list-item]


@pytest.mark.parametrize("scopes", ["coins:write", ["coins:write coins:read"], [""]])
def test_scopes_that_are_no_list_of_words_are_refused_by_whatever_has_some(scopes: Any) -> None:
    for declare in (Subscriber, Job, partial(Process, state=SavingState)):
        with pytest.raises(ContractError, match="write a list of texts"):
            declare("bank.some", scopes=scopes)


def test_scopes_of_a_principal_are_no_text_whose_letters_would_count() -> None:
    with pytest.raises(TypeError, match=r"write \['coins:write'\]"):
        Principal("ann", "coins:write")
