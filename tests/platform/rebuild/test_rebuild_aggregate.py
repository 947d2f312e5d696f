"""An aggregate's states are exchanged while it decides: the command is killed at each step, and so are its workers."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.kit.cluster import Cluster, eventually
from tests.kit.rebuilt_aggregate import rebuilt_aggregate

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

# So few at once that each partition's states are exchanged by several transactions.
IN_PIECES = """
from verbwire.engine.exchange import exchanger

exchanger.ROWS_AT_ONCE = 2
"""
STEPS = ("rebuild-before-prepare", "rebuild-prepared", "rebuild-paused", "rebuild-before-serve")


def test_a_rebuild_of_an_aggregate_is_exact_under_load_though_each_step_is_killed(
    cluster: Cluster, tmp_path: Path
) -> None:
    with rebuilt_aggregate(cluster, tmp_path, modules={"consumers/pieces.py": IN_PIECES}) as jars:
        with jars.under_load():
            jars.killed("rebuild-begun", folded_by=1)
            jars.done(folded_by=1)
            for step in STEPS:
                jars.killed(step, "--switch", folded_by=1)
            jars.done("--switch", folded_by=1)
        assert not jars.wrong([0, 1])
        with jars.under_load():
            for step in STEPS:
                jars.killed(step, "--rollback")
            jars.killed("rebuild-served", "--rollback")
        assert not jars.wrong([0, 1, 0])
        jars.killed("rebuild-forgotten", "--forget", "--yes")
        assert "0 added, 0 removed, 0 changed" in jars.done()  # what was left is deleted first
        jars.killed("rebuild-discarded", "--discard", "--yes")


def test_a_rebuild_of_an_aggregate_is_ended_by_the_next_owner_where_a_worker_is_killed_in_the_midst(
    cluster: Cluster, tmp_path: Path
) -> None:
    with rebuilt_aggregate(cluster, tmp_path, workers=1, modules={"consumers/pieces.py": IN_PIECES}) as jars:
        jars.done(folded_by=1)
        jars.workers["w1"].ends(signal.SIGTERM, 20)
        jars.workers["w1"] = jars.start("w1", VERBWIRE_CRASH_POINT="exchanging:3").ready()
        said: list[str] = []
        with jars.under_load():
            switching = threading.Thread(target=lambda: said.append(jars.done("--switch", folded_by=1)))
            switching.start()
            assert jars.workers["w1"].process.wait(60) == -signal.SIGKILL
            jars.workers["w1"] = jars.start("w1").ready()
            switching.join()
        assert said
        assert not jars.wrong([0, 1])


def test_a_rebuild_of_an_aggregate_goes_back_though_no_event_has_come_since(cluster: Cluster, tmp_path: Path) -> None:
    with rebuilt_aggregate(cluster, tmp_path, workers=1) as jars:
        with jars.under_load():
            jars.done(folded_by=1)
        jars.done("--switch", folded_by=1)
        changed = eventually(jars.states)
        jars.done("--rollback")
        assert max(changed.values()) >= 1_000_000 > max(eventually(jars.states).values())
