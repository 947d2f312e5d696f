"""The proof that the proof can fail: an outcome that operators hand over is heard once; with a bug planted, twice."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.faults.planted import BUGS
from tests.kit import bank_jars, bank_tills
from tests.kit.bank import CATALOG
from tests.kit.bank import NAMESPACE as JARS
from tests.kit.bank_tills import SAVINGS
from tests.kit.samples.bank.tills import CoinsMoved
from verbwire.requests.sender import Asked
from verbwire.testing import InMemory
from verbwire.wire.records.instance_requests import HEAR, carried


def heard() -> int:
    """How often an instance hears of its one command, whose outcome is handed over twice, and then comes by itself."""
    process = bank_tills.savings()
    with InMemory(process, bank_jars.receiver(), catalog=CATALOG, actor="ann", scopes=["jars:write"]) as bank:
        names, topics, down = bank._connection.names, bank._topics, ExitStack()
        down.enter_context(bank.paused("bank.jars.aggregate"))
        bank.publish(CoinsMoved(till_id="t", owner="ann", pence=5, moved_at=bank.now))
        with bank.paused(process):
            down.close()  # the command has its outcome, which the process has not read
            (outcome,) = topics.records(names.outcomes(JARS))
            asked = Asked(kind=HEAR, partition=0, key=b"ann", details=carried(outcome))
            bank._parking._sender.ask(SAVINGS, [asked, asked], "ann")
            group, requests = bank._engine_group(process), names.requests(names.group(SAVINGS))
            group._process(group._caches[0], requests, topics.read(requests, 0, 0, 10))
        row = bank.row(process, "ann")
    assert row is not None
    return len(row.told)


def test_a_process_hears_an_outcome_once_that_is_handed_over_twice_and_comes_by_itself() -> None:
    assert heard() == 1


@pytest.mark.parametrize("bug", ["heard-late", "heard-again"])
def test_a_process_with_a_planted_bug_hears_it_twice(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    BUGS[bug](monkeypatch.setattr)
    assert heard() > 1
