"""A process that answers, on Kafka: the outcome is entered once, whoever takes the step that gives it."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.kit.bank import NAMESPACE as JARS
from tests.kit.bank import Bank
from tests.kit.bank_tills import SAVINGS, living_in
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire import Accepted, Process
from verbwire.errors import FencedError
from verbwire.http.commands.outcome_memory import AggregateOutcomes
from verbwire.wire.outcome_tokens import OutcomeToken

pytestmark = pytest.mark.kafka
NUMBERS = count()


def answering() -> Process[SavingState]:
    """A process that answers a command when its event comes."""
    process = Process(SAVINGS, state=SavingState)

    @process.receives
    def put(state: SavingState | None, command: PutCoins) -> SavingState:
        return state or SavingState(owner=command.jar_id)

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        return (None, Accepted()) if state else None

    return process


def test_a_process_answer_is_entered_once_by_whoever_takes_its_step(branch: Bank, tmp_path: Path) -> None:
    partition = branch.partition()
    owner = living_in(partition, branch.partitions, next(NUMBERS), prefix="a")
    put, moved = PutCoins(jar_id=owner, pence=5), CoinsMoved(till_id="t", owner=owner, pence=5)
    with Engine(branch, answering(), [partition], tmp_path / "1") as first:
        branch.mark(partition)
        branch.send(put, partition, id="one")
        first.run_through()
        assert branch.outcomes(partition) == []
        memory = AggregateOutcomes(JARS, branch.names.commands(JARS), first.reader, lambda _: None, later=True)
        (command,) = branch.read(branch.names.commands(JARS), partition)
        for id, age, over in (("one", 0, False), ("one", 8, False), ("two", 0, False), ("two", 8, True)):
            sent = command.timestamp - age * 24 * 3600 * 1000
            where = {"partition": partition, "offset": command.offset, "timestamp": sent}
            token = OutcomeToken(command=PutCoins.__contract__, id=id, fingerprint=b"", **where)
            assert memory.look(token) == (None, over), (id, age)
        branch.send(put, partition, id="one")  # it is under way
        branch.send(moved, partition)
        mine = first.membership
        first.membership = replace(mine, generation=mine.generation + 1)
        with pytest.raises(FencedError):
            first.run()
        assert branch.outcomes(partition) == []
    with Engine(branch, answering(), [partition], tmp_path / "2") as second:  # restored from the logs
        for _ in range(3):
            second.run_through()
        (outcome,) = branch.outcomes(partition)
        assert (outcome.command_id, outcome.status) == ("one", "ACCEPTED")
        assert second.held(partition) == {}
    with Engine(branch, answering(), [partition], tmp_path / "3") as third:
        branch.send(put, partition, id="one")
        third.run_through()
        assert len(branch.outcomes(partition)) == 1
        assert third.held(partition) == {}
