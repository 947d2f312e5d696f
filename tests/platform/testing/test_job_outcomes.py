"""Jobs that answer, and what clients and processes hear of commands that were done, refused, too late, or given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.bank import CATALOG
from tests.kit.bank_tills import SAVINGS
from tests.kit.samples.bank.jars import DustJar, JarSeal, SealJar
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire import (
    Accepted,
    Expired,
    Failed,
    Job,
    JobContext,
    Outcome,
    OutcomeContext,
    Process,
    Rejected,
    expiring,
    tagged,
)
from verbwire.errors import WrongVerbError
from verbwire.testing import InMemory, given

SEAL = SealJar(jar_id="ann")
SECOND = timedelta(seconds=1)
SEALED = JarSeal(jar_id="ann", number=7)


@dataclass
class Works:
    """What a job has done, in its order, and what it is to do for `how`."""

    done: list[str] = field(default_factory=list)
    broken: bool = True

    def job(self) -> Job:
        """A job that seals jars, which is answered, and dusts them, which is not."""
        job = Job("bank.jars", retries=1)

        @job.handles
        def seal(command: SealJar, context: JobContext) -> JarSeal | Rejected | None:
            self.done.append(context.id)
            match command.how:
                case "refused":
                    return Rejected("sealed_already", "look at it")
                case "unknown code":
                    return Rejected("nonsense")
                case "raises" if self.broken:
                    raise RuntimeError("the wax is cold")
                case "requeue" if len(self.done) < 2:
                    raise context.requeue()
                case "no reply":
                    return None
                case "too large":
                    return replace(SEALED, text="x" * 1_000_000)
            return replace(SEALED, jar_id=command.jar_id)

        @job.handles
        def dust(command: DustJar, context: JobContext) -> None:
            self.done.append(context.id)
            if command.jar_id == "raises":
                raise RuntimeError("too much of it")

        return job


@pytest.fixture
def works() -> Works:
    return Works()


@pytest.fixture
def jars(works: Works) -> Iterator[InMemory]:
    with InMemory(works.job(), catalog=CATALOG, actor="ann") as jars:
        yield jars


@pytest.mark.parametrize(
    ("how", "outcome", "runs"),
    [
        ("", Accepted(reply=SEALED), 1),
        ("refused", Rejected("sealed_already", "look at it"), 1),
        ("requeue", None, 1),
        ("raises", Failed, 2),
        ("no reply", Failed, 2),
        ("too large", Failed, 2),
        ("unknown code", Failed, 2),
    ],
)
def test_a_job_answers_who_asked(jars: InMemory, works: Works, how: str, outcome: Any, runs: int) -> None:
    if outcome is None:
        jars.send(replace(SEAL, how=how))
        assert jars.outcomes() == []
        jars.advance(1)
        assert [each.outcome for each in jars.outcomes()] == [Accepted(reply=SEALED)]
        return
    found = jars.ask(replace(SEAL, how=how), id="1")
    assert found == outcome if not isinstance(outcome, type) else isinstance(found, outcome)
    assert [each.outcome for each in jars.outcomes()] == [found]
    assert len(works.done) == runs
    assert [each.reason for each in jars.dead_letters] == (["failed"] if outcome is Failed else [])


def test_a_job_does_an_id_once_that_is_decided_and_answers_it_again(jars: InMemory, works: Works) -> None:
    assert [jars.ask(SEAL, id="1") for _ in range(2)] == [Accepted(reply=SEALED)] * 2
    other = jars.ask(replace(SEAL, jar_id="bob"), id="1")
    assert (other, works.done) == (Rejected("id_reused", "1 named another payload"), ["1"])
    assert [each.outcome for each in jars.outcomes()] == [Accepted(reply=SEALED)]
    assert [each.reason for each in jars.dead_letters] == ["id-reused"]
    first = jars.ask(replace(SEAL, how="raises"), id="2")
    works.broken = False
    again = jars.ask(replace(SEAL, how="raises"), id="2")  # what has failed may be tried again under its id
    assert (type(first), again) == (Failed, Accepted(reply=SEALED))


def test_a_job_answers_what_it_does_not_do(jars: InMemory, works: Works) -> None:
    nobody = jars.acting_as(None)
    assert nobody.ask(SEAL) == Rejected("forbidden", "SealJar requires an authenticated principal")
    with jars.paused("bank.jars.job"):
        jars.send(SEAL, ttl=1)
        nobody.send(DustJar(jar_id="ann"))
        jars.advance(5)
    assert [type(each.outcome) for each in jars.outcomes()] == [Rejected, Expired, Rejected]
    jars.send(DustJar(jar_id="ann"), id="fine")
    jars.send(DustJar(jar_id="raises"), id="bad")
    assert [(each.id, type(each.outcome)) for each in jars.outcomes(DustJar)][1:] == [("bad", Failed)]
    assert works.done == ["fine", "bad", "bad"]
    with pytest.raises(WrongVerbError, match="no outcome"):
        jars.ask(DustJar(jar_id="ann"))


def sealing() -> Process[SavingState]:
    """A process that has jars sealed and dusted by a job, and tells what it hears of that."""
    process = Process(SAVINGS, state=SavingState, sends=[SealJar, DustJar])

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        state = state or SavingState(owner=event.owner or "")
        seal = SealJar(jar_id=state.owner, how=event.how)
        if event.how == "late":
            return state, expiring(SECOND, seal), expiring(SECOND, tagged("late", DustJar(jar_id=state.owner)))
        return state, seal, tagged(event.how or "fine", DustJar(jar_id=event.how or state.owner))

    def heard(state: SavingState, outcome: Any, what: str) -> SavingState:
        return replace(state, told=(*state.told, f"{what} {type(outcome).__name__}"))

    @process.outcome_of(SealJar)
    def sealed(state: SavingState | None, outcome: Outcome[JarSeal]) -> Any:
        return None if state is None else heard(state, outcome, "seal")

    @process.outcome_of(DustJar)
    def not_dusted(state: SavingState | None, outcome: Outcome[None], context: OutcomeContext) -> Any:
        return None if state is None else heard(state, outcome, f"dust {context.tag}")

    return process


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("", ["seal Accepted"]),
        ("refused", ["seal Rejected"]),
        ("raises", ["seal Failed", "dust raises Failed"]),
        ("late", ["seal Expired", "dust late Expired"]),
    ],
)
def test_a_process_hears_what_a_job_has_come_to_and_what_it_did_not_do(works: Works, how: str, told: list[str]) -> None:
    process = sealing()
    with InMemory(process, works.job(), catalog=CATALOG, actor="ann") as bank:
        with bank.paused("bank.jars.job"):
            bank.publish(CoinsMoved(till_id="t", owner="ann", pence=1, how=how))
            bank.advance(5)
        row = bank.row(process, "ann")
    assert row is not None
    assert list(row.told) == told


def test_a_process_does_not_wait_for_what_promises_no_outcome() -> None:
    step = given(sealing(), state=SavingState(owner="ann"), catalog=CATALOG)
    step.when(Rejected("forbidden"), of=DustJar, tag="t").then_state(
        SavingState(owner="ann", told=("dust t Rejected",))
    )
    with pytest.raises(AssertionError, match="DustJar promises no outcome"):
        step.when(Accepted(), of=DustJar)
