"""The proof that the proof can fail: a switch without one of its rules is found out, with it the same run is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.cluster import Cluster
from tests.kit.rebuilds import rebuilt_table, wrong

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

# One worker hears of everything a second later than the others.
SLOW_WORD = """
import os, sys, time
from verbwire.worker.table_host import TableHost

told = TableHost.told

def told_late(self, word):
    if self._services.settings.worker == "w2":
        time.sleep(1)
    told(self, word)

TableHost.told = told_late
"""
# The generation that was rebuilt is half a second behind at the workers.
SLOW_GENERATION = """
import time
from verbwire.engine.group import GroupEngine

process = GroupEngine.process

def process_late(self, *arguments):
    if self.topology.group.endswith(".1"):
        time.sleep(0.5)
    process(self, *arguments)

GroupEngine.process = process_late
"""
NO_PAUSE = """
from verbwire.http.tables.table_switch import TableSwitch

serve = TableSwitch.serve

def serve_after_a_word(self, number):
    self.says_so = False
    serve(self, number)

TableSwitch.pause = lambda self: setattr(self, "says_so", True)
TableSwitch.serve = serve_after_a_word
TableSwitch.drained = property(lambda self: getattr(self, "says_so", False))
"""
NO_CATCH_UP = """
from verbwire.rebuild.progress import Reach

Reach.until = lambda self, wanted, deadline: {}
"""
CASES = {"half switched": (SLOW_WORD, NO_PAUSE), "lost between": (SLOW_GENERATION, NO_CATCH_UP)}


def _answers(cluster: Cluster, folder: Path, modules: dict[str, str]) -> list[str]:
    with rebuilt_table(cluster, folder, modules=modules) as table:
        assert table.rebuild(folded_by=1).returncode in (0, 1)  # it may not be compared without its rule
        with table.under_load() as readers:
            table.counters.expect(0, 1)
            table.done("--switch")
            table.seen_by_all(readers, 1)
        return wrong(readers)


@pytest.mark.parametrize("case", CASES)
def test_a_rebuild_switch_without_its_rule_is_found_out(cluster: Cluster, tmp_path: Path, case: str) -> None:
    slow, bug = CASES[case]
    assert _answers(cluster, tmp_path, {"streams/slow.py": slow, "streams/a_bug.py": bug})


@pytest.mark.parametrize("case", CASES)
def test_a_rebuild_switch_with_its_rule_is_right(cluster: Cluster, tmp_path: Path, case: str) -> None:
    slow, _ = CASES[case]
    found = _answers(cluster, tmp_path, {"streams/slow.py": slow})
    assert not found, found[:5]
