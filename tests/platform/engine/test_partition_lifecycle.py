"""The states of a partition: which may follow which, and what queries, metrics and the log see of them. No broker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from verbwire.contracts.schema.load import load_catalog
from verbwire.engine.restore.lifecycle import PartitionLifecycle
from verbwire.engine.state.partition_state import (
    ALLOWED,
    CLOSED,
    RESTORING,
    RETRYING,
    RUNNING,
    STOPPED,
    SUSPENDED,
    PartitionState,
    require_allowed,
)
from verbwire.engine.state.reader import StoreReader
from verbwire.errors import EngineError
from verbwire.observability.metrics.registry import Metrics

ROW = load_catalog(Path(__file__).parents[2] / "kit/samples/bank").find("bank.jars.JarRow")
COPY = Path("jars-0.db")


class Group:
    """Three partitions that nothing is behind of."""

    def __init__(self) -> None:
        self.reader = StoreReader("bank.jars", ROW, 3)
        self.metrics = Metrics()
        self.moved: list[int] = []
        self.reader.moved = self.moved.append
        self.lifecycle = PartitionLifecycle("bank.jars", self.reader, self.metrics.group("bank.jars"))

    def state(self, partition: int = 0) -> PartitionState:
        return self.lifecycle.state(partition)

    def run(self, partition: int = 0) -> None:
        self.lifecycle.run(partition, COPY, {"bank.jars.events": 7}, None)

    def counted(self, state: str) -> float:
        line = f'verbwire_partitions{{group="bank.jars",state="{state}"}} '
        (found,) = (each for each in self.metrics.exposition().decode().splitlines() if each.startswith(line))
        return float(found.removeprefix(line))


@pytest.fixture
def group() -> Group:
    made = Group()
    made.lifecycle.assign([0, 1])
    return made


TO: dict[PartitionState, Callable[[Group], None]] = {
    CLOSED: lambda group: group.lifecycle.close(),
    RESTORING: lambda group: group.lifecycle.assign([0]),
    RUNNING: Group.run,
    RETRYING: lambda group: group.lifecycle.retry(0, "the disk is full"),
    STOPPED: lambda group: group.lifecycle.stop(0, "a handler raised"),
    SUSPENDED: lambda group: group.lifecycle.suspend(),
}
PATHS = {
    CLOSED: [],
    RESTORING: [RESTORING],
    RUNNING: [RESTORING, RUNNING],
    RETRYING: [RESTORING, RETRYING],
    STOPPED: [RESTORING, RUNNING, STOPPED],
    SUSPENDED: [RESTORING, RUNNING, SUSPENDED],
}


def test_the_table_of_transitions_is_written_down_here_once_more() -> None:
    assert {(before.value, after.value) for before, every in ALLOWED.items() for after in every} == {
        ("closed", "restoring"),
        *(("restoring", after) for after in ("running", "retrying", "stopped", "suspended", "closed")),
        *(("retrying", after) for after in ("running", "stopped", "closed")),
        *(("running", after) for after in ("stopped", "suspended", "closed")),
        ("stopped", "closed"),
        ("suspended", "closed"),
    }
    assert set(ALLOWED) == set(PartitionState)


@pytest.mark.parametrize("after", PartitionState)
@pytest.mark.parametrize("before", PartitionState)
def test_only_the_transitions_of_the_table_are_let_through(before: PartitionState, after: PartitionState) -> None:
    if after in ALLOWED[before]:
        require_allowed(3, before, after)
    else:
        with pytest.raises(EngineError, match=f"partition 3 cannot go from {before} to {after}"):
            require_allowed(3, before, after)


@pytest.mark.parametrize("state", PartitionState)
def test_every_state_is_reached_and_shown(state: PartitionState) -> None:
    group = Group()
    for each in PATHS[state]:
        TO[each](group)
    assert group.state() is state
    assert group.counted(state) == (3 if state is CLOSED else 1)
    assert group.reader.lifecycle() == ({} if state is CLOSED else {0: state})
    assert group.reader.ready() == ([0] if state is RUNNING else [])
    assert set(group.reader.stopped()) == ({0} if state in (STOPPED, RETRYING) else set())


@pytest.mark.parametrize(
    ("before", "after"),
    [(CLOSED, RUNNING), (CLOSED, STOPPED), (RUNNING, RETRYING), (STOPPED, RUNNING), (SUSPENDED, RUNNING)],
)
def test_a_forbidden_transition_is_an_error_and_changes_nothing(before: PartitionState, after: PartitionState) -> None:
    group = Group()
    for each in PATHS[before]:
        TO[each](group)
    epoch = group.reader.states[0].epoch
    with pytest.raises(EngineError, match=f"from {before} to {after}"):
        TO[after](group)
    assert (group.state(), group.reader.states[0].epoch) == (before, epoch)


def test_an_assignment_closes_what_was_there_before(group: Group) -> None:
    group.run(0)
    group.lifecycle.stop(1, "a handler raised")
    group.lifecycle.assign([1, 2])
    assert [group.state(each) for each in range(3)] == [CLOSED, RESTORING, RESTORING]
    assert group.reader.states[0].path is None
    assert group.reader.stopped() == {}


def test_what_was_read_of_the_copy_before_is_told_from_what_is_read_now(group: Group) -> None:
    group.run()
    before = group.reader.states[0].epoch
    group.lifecycle.assign([0])
    group.run()
    assert group.reader.states[0].epoch == before + 1


def test_the_first_reason_for_a_stop_is_kept(group: Group) -> None:
    group.run()
    group.lifecycle.stop(0, "a handler raised")
    group.lifecycle.stop(0, "its topics have changed")
    group.lifecycle.stop_running("its topics have changed")
    assert group.reader.stopped() == {0: "a handler raised"}


def test_stopping_all_that_run_leaves_alone_what_is_restored(group: Group) -> None:
    group.run()
    group.lifecycle.stop_running("its topics have changed")
    assert (group.state(0), group.state(1), group.state(2)) == (STOPPED, RESTORING, CLOSED)


def test_a_revoke_suspends_all_but_those_that_wait_for_an_operator(group: Group) -> None:
    group.lifecycle.stop(1, "a handler raised")
    group.run(0)
    group.lifecycle.suspend()
    assert group.reader.lifecycle() == {0: SUSPENDED, 1: STOPPED}
    assert group.reader.states[0].path == COPY, "the copy stays open until the next assignment"


def test_without_a_lease_a_running_partition_is_shown_as_suspended(group: Group) -> None:
    group.run()
    group.reader.lease = lambda: False
    assert (group.state(), group.reader.lifecycle()) == (RUNNING, {0: SUSPENDED, 1: RESTORING})


def test_a_copy_that_can_be_written_again_lets_the_partition_run(
    group: Group, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        group.lifecycle.retry(0, "the disk is full")
        group.lifecycle.retry(0, "the disk is full still")
        assert group.reader.stopped() == {0: "the disk is full still"}
        group.run()
    told = [each.getMessage() for each in caplog.records]
    assert told.count("bank.jars: partition 0 is retrying: the disk is full") == 1
    assert "bank.jars: partition 0 is running again: its copy can be written" in told
    assert not any("full still" in each for each in told), "one line a minute"


def test_requests_that_wait_for_a_partition_learn_of_each_transition(group: Group) -> None:
    group.moved.clear()
    group.run()
    group.lifecycle.stop(0, "a handler raised")
    assert group.moved == [0, 0]


def test_who_announces_the_partitions_is_told_whenever_one_is_in_another_state(group: Group) -> None:
    told: list[PartitionState] = []
    group.reader.changed = lambda: told.append(group.state())
    group.run()
    group.lifecycle.suspend()
    group.lifecycle.close()
    assert told == [RUNNING, SUSPENDED, CLOSED]
