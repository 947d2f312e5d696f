"""Versions of a process: new instances begin with the newest, old ones end on the handlers that they began with."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.bank import CATALOG, Bank
from tests.kit.bank_tills import SAVINGS, living_in
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire import Outcome, Process
from verbwire.check.process_versions import told
from verbwire.declarations.process_versions import by_group, of_versions
from verbwire.engine.processors.instance_rows import Instance
from verbwire.engine.state.changes import StoreChanges
from verbwire.errors import ContractError
from verbwire.testing import InMemory
from verbwire.testing.memory.engine_groups import MemoryEngineGroup
from verbwire.wire.records.process_instances import (
    INSTANCE_HEADER,
    InstanceRecord,
    read_instance,
    version_of,
    write_instance,
)

NUMBERS = count()


def saving(version: int, field: str = "owner") -> Process[SavingState]:
    """A process whose states say which version has led them."""
    process = Process(
        SAVINGS, state=SavingState, sends=[PutCoins], scopes=["jars:write"], version=version, parking=None
    )

    @process.on(key=field)
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        state = state or SavingState(owner=event.owner or "")
        if event.how == "over":
            return None
        state = replace(state, pence=state.pence + event.pence, told=(*state.told, f"on {version}"))
        return state if event.how == "no command" else (state, PutCoins(jar_id=state.owner, pence=event.pence))

    @process.outcome_of(PutCoins)
    def answered(state: SavingState | None, outcome: Outcome) -> SavingState | None:
        return None if state is None else replace(state, told=(*state.told, f"answered {version}"))

    return process


def test_process_versions_stand_as_one_whose_new_instances_begin_with_the_newest() -> None:
    with InMemory(saving(2), saving(1), catalog=CATALOG) as bank:
        bank.publish(CoinsMoved(till_id="t", owner="ann", pence=5, how="no command"))
        assert bank.row(saving(1), "ann") == SavingState(owner="ann", pence=5, told=("on 2",))


def test_process_versions_lead_an_instance_that_an_earlier_one_began_by_its_own_handlers() -> None:
    with InMemory(saving(2), saving(1), catalog=CATALOG) as bank:
        group = bank._groups[SAVINGS]
        assert isinstance(group, MemoryEngineGroup)
        old = Instance(state=SavingState(owner="ann", pence=1), record=InstanceRecord(version=1, begun=5))
        (cache,) = group._caches
        cache.store.apply(StoreChanges(rows=dict(group.topology.encode({b"ann": old}))))
        bank.publish(CoinsMoved(till_id="t", owner="ann", pence=5, how="no command"))
        assert bank.row(saving(1), "ann") == SavingState(owner="ann", pence=6, told=("on 1",))


def test_process_versions_of_one_number_or_of_other_keys_are_refused() -> None:
    with pytest.raises(ContractError, match=r"both of version 1: .* version=2"):
        by_group([saving(1), saving(1)])
    with pytest.raises(ContractError, match=r"named by 'till_id' of CoinsMoved in version 2, by 'owner' in an earlier"):
        of_versions([saving(1), saving(2, "till_id")])
    with pytest.raises(ContractError, match="from 1 on"):
        saving(0)


class Till:
    """One owner's instance, led by one worker after another."""

    def __init__(self, branch: Bank) -> None:
        self.branch = branch
        self.partition = branch.partition()
        self.owner = living_in(self.partition, branch.partitions, next(NUMBERS), prefix="v")
        branch.mark(self.partition)

    def move(self, pence: int, how: str = "") -> None:
        self.branch.send(CoinsMoved(till_id="t", owner=self.owner, pence=pence, how=how), self.partition)

    def led_by(self, process: Process[SavingState], folder: Path) -> Engine:
        engine = Engine(self.branch, process, [self.partition], folder)
        engine.__enter__()
        for _ in range(2):
            engine.run_through()
        return engine

    def told(self, engine: Engine) -> tuple[str, ...]:
        state = engine.held(self.partition)[self.owner.encode()]
        assert isinstance(state, SavingState)
        return state.told

    def record(self, engine: Engine) -> InstanceRecord | None:
        """What the copy has beside the state."""
        found = dict(engine.ask(self.partition, "select key, f_0instance from rows"))
        return read_instance(found[self.owner.encode()])


@pytest.fixture
def till(branch: Bank) -> Till:
    return Till(branch)


@pytest.mark.kafka
def test_process_versions_lead_old_instances_by_old_handlers_and_stop_without_them(till: Till, tmp_path: Path) -> None:
    till.move(1)
    engine = till.led_by(saving(1), tmp_path / "1")
    record = till.record(engine)
    assert record is not None
    assert (record.version, record.steps, record.step) == (1, 1, CoinsMoved.__contract__)
    assert [each.command for each in record.waits.values()] == [PutCoins.__contract__]
    assert record.at >= record.begun > 0
    engine.core.close()

    till.move(2, "no command")
    both = till.led_by(of_versions([saving(1), saving(2)]), tmp_path / "2")  # restored from the changelog
    assert till.told(both) == ("on 1", "on 1")
    again = till.record(both)
    assert again is not None
    assert (again.version, again.begun, again.waits) == (1, record.begun, record.waits)
    both.core.close()

    till.move(3, "no command")
    newest = till.led_by(saving(2), tmp_path / "3")
    (why,) = newest.core.stopped().values()
    assert "is of version 1, declared here is 2" in why
    assert till.told(newest) == ("on 1", "on 1")
    newest.core.close()
    till.move(4, "over")
    ended = till.led_by(of_versions([saving(1), saving(2)]), tmp_path / "4")
    assert till.owner.encode() not in ended.held(till.partition)
    till.move(5, "no command")
    ended.run_through()
    ended.run_through()
    assert till.told(ended) == ("on 2",)
    ended.core.close()


@pytest.mark.kafka
def test_process_instances_from_before_there_were_versions_go_on_as_the_first(till: Till, tmp_path: Path) -> None:
    """Their changelog says nothing beside the state."""
    state = SavingState(owner=till.owner, pence=7)
    value = till.branch.codec.encoder(CATALOG.of(state))(state)
    names = till.branch.names
    changelog = names.changelog(names.group(SAVINGS), "state")
    till.branch.put(changelog, till.partition, till.owner.encode(), value, [("vw_inputs", b"")])
    till.move(1, "no command")
    engine = till.led_by(of_versions([saving(1), saving(2)]), tmp_path)
    assert till.told(engine) == ("on 1",)
    record = till.record(engine)
    assert record is not None
    assert (record.version, record.begun, record.steps) == (1, 0, 1)
    engine.core.close()


def test_process_versions_that_are_left_are_counted_and_undeclared_ones_are_an_error() -> None:
    both = of_versions([saving(1), saving(2)])
    found = [(each.severity.value, each.message) for each in told(both, {2: 5, 3: 1200})]
    assert found[0] == ("info", "version 1: no instance is left: its declaration may go")
    assert found[1][0] == "error"
    assert found[1][1].startswith("1,200 instances of version 3 are under way, and it is not declared")
    assert [each.message for each in told(both, {1: 3})] == ["version 1: 3 instances are under way"]
    headers = [("vw_inputs", b""), (INSTANCE_HEADER, write_instance(InstanceRecord(version=4)))]
    assert (version_of(headers), version_of([])) == (4, 1)
