"""A rebuild, its switch and its way back while workers answer under load, killed at each step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cluster import Cluster
from tests.kit.rebuilds import RebuiltTable, rebuilt_table, wrong
from verbwire.engine.transactions.failpoints import REBUILD_POINTS

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]


@pytest.fixture(scope="module")
def table(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RebuiltTable]:
    """A table of two workers."""
    with rebuilt_table(cluster, tmp_path_factory.mktemp("rebuilt")) as opened:
        yield opened


def test_a_rebuild_is_switched_to_and_back_under_load_and_no_answer_is_half(table: RebuiltTable) -> None:
    with table.under_load() as readers:
        said = table.done(folded_by=1)
        assert "16 changed" in said or "not judged" in said
        table.counters.expect(0, 1)
        table.done("--switch")
        table.seen_by_all(readers, 1)
        table.counters.expect(1, 0)
        table.done("--rollback")
        table.seen_by_all(readers, 1)
        table.counters.expect(0)
        table.done("--forget", "--yes")
        table.seen_by_all(readers, 0)
    assert not wrong(readers), wrong(readers)[:5]
    assert {status for each in readers for status in each.told} <= {
        "jar 200",
        "list complete",
        "jar 503",
        "list incomplete",
        "list 503",  # `not_ready`: a partition went while it was read
    }


STEPS = {
    "rebuild-begun": (),
    "rebuild-before-prepare": ("--switch",),
    "rebuild-prepared": ("--switch",),
    "rebuild-paused": ("--switch",),
    "rebuild-before-serve": ("--switch",),
    "rebuild-served": ("--switch",),
    "rebuild-discarded": ("--discard", "--yes"),
    "rebuild-forgotten": ("--forget", "--yes"),
}


def test_rebuild_steps_that_can_be_killed_are_all_killed() -> None:
    assert set(STEPS) == set(REBUILD_POINTS)


@pytest.mark.parametrize("point", STEPS)
def test_a_rebuild_killed_at_a_step_leaves_answers_and_the_command_finishes_it(table: RebuiltTable, point: str) -> None:
    step = STEPS[point]
    if point != "rebuild-begun":
        table.done(folded_by=1)
    if point == "rebuild-forgotten":
        table.done("--switch")
    after = 1 if point in ("rebuild-served", "rebuild-forgotten") else 0
    table.counters.expect(0, 1) if "--switch" in step else table.counters.expect(after)
    with table.under_load() as readers:
        killed = table.rebuild(*step, folded_by=1, VERBWIRE_CRASH_POINT=point)
        assert killed.returncode == -signal.SIGKILL, killed
        table.seen_by_all(readers, 1 if point == "rebuild-served" else 0)
        if point in ("rebuild-discarded", "rebuild-forgotten"):
            table.done(folded_by=1)  # deletes first what is left
        elif point != "rebuild-served":
            table.done(*step, folded_by=1)
    assert not wrong(readers), wrong(readers)[:5]
    _back_to_the_first(table)


def _back_to_the_first(table: RebuiltTable) -> None:
    """Leave one generation, with the rows that have no mark."""
    for how in (("--rollback",), ("--discard", "--yes"), ("--forget", "--yes")):
        table.rebuild(*how)
    worker = next(iter(table.workers.values()))
    rows = worker.until(worker.rows)
    if max(rows.values()) >= 1_000_000:  # the first is gone: made again by the code that adds nothing
        table.done()
        table.done("--switch")
        table.done("--forget", "--yes")
    table.counters.expect(0)


def test_a_rebuild_whose_processes_are_killed_goes_on_and_is_exact(cluster: Cluster, tmp_path: Path) -> None:
    with rebuilt_table(cluster, tmp_path, workers=1) as table:
        for _ in range(40):
            for jar in table.counters.jars:
                table.counters.put(jar)
        for point in ("after-produce", "after-flush", "after-offsets", "during-commit", "after-commit"):
            ran = table.rebuild("--rate", "40", VERBWIRE_CRASH_POINT=f"{point}:2")
            assert ran.returncode == -signal.SIGKILL, ran
        assert "0 added, 0 removed, 0 changed" in table.done()


# A worker that hears of no rebuild while a file is there.
DEAF = """
import os, pathlib, time
from verbwire.worker.table_host import TableHost

told = TableHost.told

def told_when_it_hears(self, word):
    while self._services.settings.worker == "w2" and pathlib.Path("deaf").exists():
        time.sleep(0.05)
    told(self, word)

TableHost.told = told_when_it_hears
"""


def test_a_rebuild_switch_gives_up_where_a_worker_does_not_hear_and_what_served_serves_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    with rebuilt_table(cluster, tmp_path, modules={"streams/deaf.py": DEAF}) as table:
        table.done(folded_by=1)
        table.done("--switch")
        table.done("--rollback")  # both follow both generations: the next switch is quick to pause
        (table.project.folder / "deaf").touch()
        table.counters.expect(0)
        with table.under_load() as readers:
            ran = table.rebuild("--rollback")
            assert ran.returncode != 0, ran
            assert "did not pause" in ran.stderr
            table.seen_by_all(readers, 0)
            (table.project.folder / "deaf").unlink()
            table.counters.expect(0, 1)
            table.done("--rollback")
            table.seen_by_all(readers, 1)
        assert not wrong(readers), wrong(readers)[:5]
