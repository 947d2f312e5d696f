"""The proof that the proof can fail: each bug, planted in the engine, is found; without it the same run is exact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import scenarios
from tests.faults.harness import Shop, shop
from tests.faults.load import Load, slice_of_sales
from tests.faults.planted import BUGS
from tests.faults.scenarios import Scenario
from tests.kit.cluster import Cluster

pytestmark = pytest.mark.kafka

COMMANDS = 4000  # so that the smallest partition has more than a scenario takes at once


@pytest.fixture
def loaded(cluster: Cluster, unique: str, tmp_path: Path) -> Iterator[Shop]:
    """A shop with commands that nobody has dealt with."""
    with shop(cluster, unique, tmp_path) as opened:
        with Load(opened, slice_of_sales(tmp_path, COMMANDS)) as load:
            load.send()
        yield opened


PLANTED = [
    ("late-metadata", scenarios.a_batch_of_lost_partitions, {"outcome-twice", "event-twice", "row-twice"}),
    ("no-offsets", scenarios.a_batch_of_lost_partitions, {"outcome-twice", "event-twice", "row-twice"}),
    ("early-local-write", scenarios.a_commit_that_is_refused, {"copy-leads", "outcome-missing", "event-missing"}),
    ("early-second", scenarios.a_first_transaction_that_fails, {"outcome-missing", "event-missing", "row-missing"}),
    ("overtaking", scenarios.a_first_transaction_that_is_slow, {"order", "row-twice"}),
]
LIKE_ANOTHER = ("no-offsets",)  # found in the same scenario by the same traces as the one before it
UNCOMMITTED = ("read-uncommitted", scenarios.aborted_commands, {"outcome-invented"})
LATE = ("late-metadata", scenarios.a_batch_held_over_a_rebalance, {"outcome-twice", "event-twice", "row-twice"})
WITH_WORKERS = [
    pytest.param(*UNCOMMITTED, id=UNCOMMITTED[0]),
    pytest.param(*LATE, id=LATE[0], marks=pytest.mark.chaos),  # the engine alone has it above
]


@pytest.mark.parametrize(
    ("bug", "scenario", "kinds"),
    [pytest.param(*each, id=each[0], marks=[pytest.mark.chaos] * (each[0] in LIKE_ANOTHER)) for each in PLANTED],
)
def test_a_planted_bug_is_found(
    loaded: Shop, monkeypatch: pytest.MonkeyPatch, bug: str, scenario: Scenario, kinds: set[str]
) -> None:
    BUGS[bug](monkeypatch.setattr)
    found = scenario(loaded, monkeypatch, bug)
    assert kinds <= found.kinds, found


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", dict.fromkeys(each[1] for each in PLANTED), ids=lambda each: each.__name__)
def test_without_the_bug_the_same_run_is_exact(
    loaded: Shop, monkeypatch: pytest.MonkeyPatch, scenario: Scenario
) -> None:
    found = scenario(loaded, monkeypatch, "")
    assert not found, found


@pytest.mark.parametrize(("bug", "scenario", "kinds"), WITH_WORKERS)
def test_a_bug_planted_in_a_worker_is_found(
    loaded: Shop, monkeypatch: pytest.MonkeyPatch, bug: str, scenario: Scenario, kinds: set[str]
) -> None:
    found = scenario(loaded, monkeypatch, bug)
    assert kinds <= found.kinds, found


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", [UNCOMMITTED[1], LATE[1]], ids=lambda each: each.__name__)
def test_a_worker_without_it_is_exact(loaded: Shop, monkeypatch: pytest.MonkeyPatch, scenario: Scenario) -> None:
    found = scenario(loaded, monkeypatch, "")
    assert not found, found
