"""Time in processes, in a project in memory: commands that expire, deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit import bank_jars
from tests.kit.bank import CATALOG
from tests.kit.bank_tills import SAVINGS
from tests.kit.samples.bank.jars import JarState, PutCoins
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire import (
    Accepted,
    Deadline,
    Expired,
    Outcome,
    OutcomeContext,
    Process,
    Subscriber,
    SubscriberContext,
    expiring,
    tagged,
)
from verbwire.errors import ContractError
from verbwire.testing import InMemory, RecordParkedError, given

SOON = timedelta(seconds=30)
QUARTER = timedelta(minutes=15)
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=300, minutes=7)
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


def paying() -> Process[SavingState]:
    """A process that waits a quarter of an hour for the next coins, and asks the jar for them when none came."""
    process = Process(SAVINGS, state=SavingState, sends=[PutCoins], scopes=["jars:write"])

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        state = state or SavingState(owner=event.owner or "")
        state = replace(state, pence=state.pence + event.pence)
        match event.how:
            case "over":
                return None
            case "clear":
                return state, Deadline.clear("payment")
            case "twice":
                return state, Deadline("payment", after=QUARTER), Deadline("reminder", after=timedelta(minutes=5))
            case "past":
                return state, Deadline("payment", at=LONG_AGO)
            case "no such":
                return state, Deadline("nothing", after=QUARTER)
            case "over with one":
                return None, Deadline("payment", after=QUARTER)
        return state, Deadline("payment", after=QUARTER)

    @process.due("payment")
    def unpaid(state: SavingState, due: datetime) -> Any:
        state = replace(state, told=(*state.told, f"unpaid {due:%H:%M}"))
        return state, PutCoins(jar_id=state.owner, pence=state.pence)

    @process.due("reminder")
    def reminded(state: SavingState) -> Any:
        state = replace(state, told=(*state.told, "reminded"))
        return state, Deadline("reminder", after=timedelta(minutes=5))

    @process.outcome_of(PutCoins)
    def answered(state: SavingState | None, outcome: Outcome) -> None:
        return None

    return process


@pytest.fixture
def bank() -> Iterator[InMemory]:
    with InMemory(paying(), bank_jars.receiver(), catalog=CATALOG, now=NOON) as bank:
        yield bank


def told(bank: InMemory) -> tuple[str, ...] | None:
    state = bank.row(paying(), "ann")
    return None if state is None else state.told


def test_a_process_deadline_decides_with_the_state_of_its_moment_and_not_before(bank: InMemory) -> None:
    bank.publish(MOVED)
    bank.advance(QUARTER - timedelta(seconds=1))
    assert (told(bank), bank.commands(PutCoins)) == ((), [])
    with bank.paused("bank.jars.aggregate"):
        bank.advance(timedelta(seconds=2))
        assert told(bank) == ("unpaid 12:15",)
        bank.advance(timedelta(days=1))  # it is due once
        assert told(bank) == ("unpaid 12:15",)
    assert bank.commands(PutCoins) == [PutCoins(jar_id="ann", pence=5)]
    assert told(bank) is None  # ended by the outcome


@pytest.mark.parametrize("how", ["clear", "over"])
def test_a_process_deadline_that_was_cleared_or_went_with_its_instance_is_never_due(bank: InMemory, how: str) -> None:
    bank.publish(MOVED)
    bank.publish(replace(MOVED, how=how))
    bank.advance(timedelta(days=1))
    assert told(bank) == (() if how == "clear" else None)
    assert bank.commands(PutCoins) == []


def test_a_process_deadline_takes_the_place_of_the_one_of_its_name_and_several_keep_their_order(bank: InMemory) -> None:
    bank.publish(MOVED)
    bank.advance(timedelta(minutes=8))
    bank.publish(replace(MOVED, how="twice"))
    bank.advance(timedelta(minutes=14))
    assert told(bank) == ("reminded", "reminded")  # the first quarter of an hour counts no more
    with bank.paused("bank.jars.aggregate"):
        bank.advance(timedelta(minutes=2))
        assert told(bank) == ("reminded", "reminded", "unpaid 12:23", "reminded")  # of one moment by their names
    assert bank.commands(PutCoins) == [PutCoins(jar_id="ann", pence=10)]


def test_a_process_deadline_in_the_past_is_due_at_once(bank: InMemory) -> None:
    with bank.paused("bank.jars.aggregate"):
        bank.publish(replace(MOVED, how="past"))
        assert told(bank) == (f"unpaid {LONG_AGO:%H:%M}",)


@pytest.mark.parametrize(("how", "why"), [("no such", r"add @due\('nothing'\)"), ("over with one", "that is over has")])
def test_a_process_deadline_that_cannot_be_is_the_handlers_fault(bank: InMemory, how: str, why: str) -> None:
    with pytest.raises(RecordParkedError, match=why):
        bank.publish(replace(MOVED, how=how))


def test_a_process_deadline_that_says_no_moment_or_two_is_refused() -> None:
    for wrong in ({}, {"after": QUARTER, "at": NOON}, {"at": NOON.replace(tzinfo=None)}):
        with pytest.raises(ContractError, match="Deadline"):
            Deadline("payment", **wrong)
    with pytest.raises(ContractError, match="has a handler already"):
        paying().due("payment")(_nothing)


def _nothing(state: SavingState) -> None:
    return None


def test_a_process_deadline_is_a_step_in_tests() -> None:
    begun = given(paying(), catalog=CATALOG).when(MOVED).then(Deadline("payment", after=QUARTER))
    put = PutCoins(jar_id="ann", pence=5)
    begun.due("payment", NOON).then(put).then_state(SavingState(owner="ann", pence=5, told=("unpaid 12:00",)))
    begun.cancel().then().then_state(None)
    with pytest.raises(AssertionError, match="led to other deadlines"):
        given(paying(), catalog=CATALOG).when(MOVED).then()
    with pytest.raises(AssertionError, match=r"no instance of bank\.savings is under way"):
        given(paying(), catalog=CATALOG).due("payment")


def failing(broken: list[bool]) -> Process[SavingState]:
    """A process whose handlers fail as long as something is broken."""
    process = Process(SAVINGS, state=SavingState)

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        if event.how == "raises" and broken[0]:
            raise RuntimeError("the till is jammed")
        state = state or SavingState(owner=event.owner or "")
        if event.how:
            return replace(state, told=(*state.told, "paid")), Deadline.clear("payment")
        return state, Deadline("payment", after=QUARTER)

    @process.due("payment")
    def unpaid(state: SavingState, due: datetime) -> SavingState:
        if broken[0]:
            raise RuntimeError("no calendar")
        return replace(state, told=(*state.told, f"unpaid {due:%H:%M}"))

    return process


@pytest.mark.parametrize("how", ["", "raises"])
def test_a_process_deadline_is_parked_where_its_handler_raises_and_behind_what_is_parked(how: str) -> None:
    """What comes first is decided first, also later: an event that was parked may clear the deadline behind it."""
    broken = [True]
    saving = failing(broken)
    with InMemory(saving, catalog=CATALOG, now=NOON) as bank:
        bank.publish(MOVED)
        bank.publish(replace(MOVED, owner="bob"))
        if how:
            with pytest.raises(RecordParkedError):
                bank.publish(replace(MOVED, how=how))
        with suppress(RecordParkedError):
            bank.advance(QUARTER + timedelta(hours=1))
        assert told_of(bank, saving, "ann") == ()
        assert {*bank.parked(saving)} == {"ann", "bob"}
        broken[0] = False
        bank.retry_parked(saving, "ann")
        assert told_of(bank, saving, "ann") == (("paid",) if how else ("unpaid 12:15",))
        assert {*bank.parked(saving)} == {"bob"}
        bank.advance(timedelta(days=1))
        assert told_of(bank, saving, "ann") == (("paid",) if how else ("unpaid 12:15",))


def told_of(bank: InMemory, process: Process[SavingState], owner: str) -> tuple[str, ...]:
    state = bank.row(process, owner)
    assert state is not None
    return state.told


@pytest.mark.parametrize("late", [False, True])
def test_a_subscribers_command_with_a_ttl_expires(late: bool) -> None:
    jars = bank_jars.receiver()
    saver = Subscriber("bank.saver", sends=[PutCoins])

    @saver.on
    def moved(event: CoinsMoved, context: SubscriberContext) -> None:
        context.send(PutCoins(jar_id=event.owner or "", pence=event.pence), ttl=30)

    with InMemory(saver, jars, catalog=CATALOG) as bank:
        with bank.paused(jars):
            bank.publish(MOVED)
            bank.advance(31 if late else 29)
        (told,) = bank.outcomes()
        assert isinstance(told.outcome, Expired if late else Accepted)
