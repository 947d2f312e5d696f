"""Time in processes, in a project in memory: commands that expire, deadlines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit import bank_jars
from tests.kit.bank import CATALOG
from tests.kit.bank_tills import SAVINGS
from tests.kit.samples.bank.jars import JarState, PutCoins
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire import Outcome, OutcomeContext, Process, expiring, tagged
from verbwire.errors import ContractError
from verbwire.testing import InMemory, given

SOON = timedelta(seconds=30)
MOVED = CoinsMoved(till_id="t", owner="ann", pence=5)


def impatient() -> Process[SavingState]:
    """A process whose commands are good for half a minute."""
    process = Process(SAVINGS, state=SavingState, sends=[PutCoins], scopes=["jars:write"])

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        put = PutCoins(jar_id=event.owner or "", pence=event.pence)
        return SavingState(owner=event.owner or ""), expiring(SOON, tagged("once", put))

    @process.outcome_of(PutCoins)
    def answered(state: SavingState | None, outcome: Outcome, context: OutcomeContext) -> SavingState | None:
        return state and replace(state, told=(*state.told, f"{type(outcome).__name__} of {context.tag}"))

    return process


@pytest.mark.parametrize("late", [False, True])
def test_process_commands_with_a_ttl_expire_and_their_process_is_told(late: bool) -> None:
    saving, jars = impatient(), bank_jars.receiver()
    with InMemory(saving, jars, catalog=CATALOG) as bank:
        with bank.paused(jars):
            bank.publish(MOVED)
            bank.advance(31 if late else 29)
        state = bank.row(saving, "ann")
        assert state is not None
        assert state.told == ("Expired of once" if late else "Accepted of once",)
        assert bank.row(jars, "ann") == (None if late else JarState(jar_id="ann", pence=5))


def test_process_commands_with_a_ttl_are_compared_in_tests_as_they_are_returned() -> None:
    put = PutCoins(jar_id="ann", pence=5)
    given(impatient(), catalog=CATALOG).when(MOVED).then(expiring(SOON, tagged("once", put)))
    with pytest.raises(AssertionError, match="led to other commands"):
        given(impatient(), catalog=CATALOG).when(MOVED).then(tagged("once", put))
    with pytest.raises(ContractError, match="more than nothing"):
        expiring(timedelta(0), put)
