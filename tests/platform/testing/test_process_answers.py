"""Processes that answer: an ask whose outcome is the end of a process, or whatever its step says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.bank import CATALOG
from tests.kit.bank_tills import SAVINGS
from tests.kit.samples.bank.jars import JarSeal, PutCoins, SealJar, TakeCoins
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire import Accepted, Context, Deadline, Failed, Process, Rejected
from verbwire.declarations.requirements import require_process
from verbwire.errors import ContractError, OutcomeUnknownError
from verbwire.testing import InMemory, RecordParkedError

SOON = timedelta(minutes=5)
PUT, SEAL = PutCoins(jar_id="ann", pence=5), SealJar(jar_id="ann")
SEALED = JarSeal(jar_id="ann", number=7)


def answering() -> Process[SavingState]:
    """A process that receives the commands of jars: `how` says when and what it answers."""
    process = Process(SAVINGS, state=SavingState)

    @process.receives
    def put(state: SavingState | None, command: PutCoins, context: Context) -> Any:
        begun = state or SavingState(owner=command.jar_id)
        match command.how:
            case "at once":
                return begun, Accepted()
            case "refused":
                return Rejected("jar_full", "no room")
            case "over":
                return None
            case "raises":
                raise RuntimeError("the lid is stuck")
            case "twice":
                return begun, Accepted(), Accepted()
            case "unknown code":
                return begun, Rejected("nonsense")
        return replace(begun, told=(context.actor or "",)), Deadline("patience", after=SOON)

    @process.receives
    def seal(state: SavingState | None, command: SealJar) -> Any:
        return state or SavingState(owner=command.jar_id)

    @process.receives
    def take(state: SavingState | None, command: TakeCoins) -> None:
        return None

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        match event.how:
            case "accept":
                return state, Accepted(), Deadline.clear("patience")
            case "reply":
                return None, Accepted(reply=SEALED)
            case "reject":
                return None, Rejected("jar_full")
            case "end":
                return None
        return state

    @process.due("patience")
    def due(state: SavingState) -> Any:
        return None, Rejected("jar_full", "nobody came")

    return process


@pytest.fixture
def bank() -> Iterator[InMemory]:
    with InMemory(answering(), catalog=CATALOG, actor="ann", scopes=["jars:write"]) as bank:
        yield bank


def moved(how: str) -> CoinsMoved:
    return CoinsMoved(till_id="t", owner="ann", pence=1, how=how)


def outcomes(bank: InMemory) -> list[Any]:
    return [each.outcome for each in bank.outcomes()]


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("at once", Accepted()),
        ("over", Accepted()),
        ("refused", Rejected("jar_full", "no room")),
    ],
)
def test_a_process_answers_a_command_in_the_step_that_it_leads_to(bank: InMemory, how: str, outcome: Any) -> None:
    assert bank.ask(replace(PUT, how=how), id="1") == outcome
    assert bank.ask(replace(PUT, how=how), id="1") == outcome  # the same command has the same outcome
    assert outcomes(bank) == [outcome]
    assert {*bank.rows(answering())} == ({"ann"} if how == "at once" else set())


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("accept", Accepted()),
        ("reject", Rejected("jar_full")),
        ("end", Accepted()),
        ("", Rejected("jar_full", "nobody came")),
    ],
)
def test_a_process_answers_once_in_a_later_step_also_when_it_is_asked_again(
    bank: InMemory, how: str, outcome: Any
) -> None:
    with pytest.raises(OutcomeUnknownError):
        bank.ask(PUT, id="1")
    assert outcomes(bank) == []
    with pytest.raises(OutcomeUnknownError):
        bank.ask(PUT, id="1")  # it is under way
    bank.publish(moved(how))
    bank.advance(SOON)
    assert outcomes(bank) == [outcome]
    assert bank.ask(PUT, id="1") == outcome
    with pytest.raises(RecordParkedError, match="answers nothing"):
        bank.publish(moved("reject"))
    assert outcomes(bank) == [outcome]


def test_a_process_replies_with_what_its_contract_promises_and_fails_without(bank: InMemory) -> None:
    for number, (how, outcome) in enumerate((("reply", Accepted(reply=SEALED)), ("end", None))):
        with pytest.raises(OutcomeUnknownError):
            bank.ask(SEAL, id=f"{number}")
        bank.publish(moved(how))
        told = bank.ask(SEAL, id=f"{number}") if outcome else outcomes(bank)[-1]
        assert told == outcome or (isinstance(told, Failed) and "without the reply" in told.reason)


@pytest.mark.parametrize(
    ("how", "why"), [("raises", "the lid is stuck"), ("twice", "one outcome"), ("unknown code", "among the rejections")]
)
def test_a_process_command_whose_handler_fails_has_failed_and_changed_nothing(
    bank: InMemory, how: str, why: str
) -> None:
    told = bank.ask(replace(PUT, how=how))
    assert isinstance(told, Failed)
    assert why in told.reason
    assert (bank.rows(answering()), len(bank.dead_letters)) == ({}, 1)


def test_a_process_has_one_command_without_an_answer_at_a_time_and_admits_as_an_aggregate_does(bank: InMemory) -> None:
    with pytest.raises(OutcomeUnknownError):
        bank.ask(PUT, id="1")
    second = bank.ask(PUT, id="2")
    assert isinstance(second, Failed)
    assert "is not answered yet" in second.reason
    assert bank.ask(replace(PUT, how="at once"), id="3") == Accepted()
    bank.publish(moved("accept"))
    assert [each.id for each in bank.outcomes() if each.outcome == Accepted()] == ["3", "1"]
    refused = bank.acting_as("eve").ask(TakeCoins(jar_id="ann", pence=1))
    assert isinstance(refused, Rejected)
    assert refused.code == "forbidden"


@pytest.mark.parametrize("declared", [True, False])
def test_a_process_that_is_cancelled_tells_who_waits_for_its_answer(declared: bool) -> None:
    process = answering()
    if declared:

        @process.cancelled
        def cancelled(state: SavingState, reason: str) -> Any:
            return None, Rejected("jar_full", reason)

    with InMemory(process, catalog=CATALOG, actor="ann", scopes=["jars:write"]) as bank:
        with pytest.raises(OutcomeUnknownError):
            bank.ask(PUT, id="1")
        bank.cancel_instance(process, "ann", "burnt")
        (told,) = outcomes(bank)
        assert told == Rejected("jar_full", "burnt") if declared else isinstance(told, Failed)
        assert "burnt" in told.reason
        assert bank.rows(process) == {}
        bank.cancel_instance(process, "ann")  # it is over
        bank.advance(SOON)
        assert len(outcomes(bank)) == 1


def test_a_process_receives_commands_of_one_namespace_that_have_outcomes() -> None:
    require_process(answering(), CATALOG)
    process = answering()
    with pytest.raises(ContractError, match="has a handler already"):
        process.receives(_put)
    assert process.namespace == "bank.jars"


def _put(state: SavingState | None, command: PutCoins) -> None:
    return None
