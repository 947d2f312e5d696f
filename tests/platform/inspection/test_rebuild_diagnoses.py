"""What doctor says of rebuilds that wait for somebody."""

from __future__ import annotations

from typing import Any

import pytest

from verbwire.inspection.doctor.rebuilds import rebuild_diagnoses
from verbwire.rebuild.progress import RebuildProgress
from verbwire.rebuild.report import RebuildState

DAY = 86_400.0
FAR = RebuildProgress(table="shop.orders", generation=1, records=7, left=1_204)


def said(seconds: float, **more: Any) -> list[tuple[str, str]]:
    usual: dict[str, Any] = {"table": "shop.orders", "serving": 0, "followed": (0,), "since_ms": 0}
    found = [*rebuild_diagnoses(RebuildState(**{**usual, "seconds": seconds, **more}), kept_days=7)]
    assert {each.check for each in found} <= {"rebuilds"}
    return [(each.what, each.do) for each in found]


def test_a_rebuild_that_is_finished_is_no_finding() -> None:
    assert said(400 * DAY) == []
    assert said(6 * DAY, serving=1, followed=(0, 1), kept=0) == [], "there is time to go back"


def test_a_rebuild_whose_old_generation_was_forgotten_is_found() -> None:
    ((what, do),) = said(12 * DAY, serving=1, followed=(0, 1), kept=0)
    assert what.startswith("generation 0 is kept up to date beside 1, which serves, for 12 days")
    assert "`verbwire rebuild shop.orders --forget`" in do


def test_a_rebuild_that_nobody_builds_is_found_with_what_is_to_go() -> None:
    ((what, do),) = said(60, building=1, builders=0, progress=FAR)
    assert what == "generation 1 is being built, and nobody builds it, 1,204 records are to go"
    assert do.startswith("`verbwire rebuild shop.orders` goes on with it")
    assert said(60, building=1, builders=2, progress=FAR) == []
    assert said(60, building=1, builders=None) == [], "what is not known is no finding"


@pytest.mark.parametrize(
    ("state", "step"),
    [({"building": 1, "followed": (0, 1)}, "--switch"), ({"serving": 1, "kept": 0, "followed": (0, 1)}, "--rollback")],
)
def test_a_rebuild_whose_switch_was_left_half_way_is_found(state: dict[str, Any], step: str) -> None:
    assert said(60, unfinished=True, **state) == [], "workers may be catching up"
    ((what, do),) = said(3600, unfinished=True, **state)
    assert "was begun and not finished" in what
    assert f"`verbwire rebuild shop.orders {step}` again" in do


def test_a_rebuild_whose_exchange_was_left_half_way_names_the_generation_and_the_one_step() -> None:
    ((what, do),) = said(3600, unfinished=True, exchanging=4, aggregate=True)
    assert "were taking the states of generation 4" in what
    assert do == "`verbwire rebuild shop.orders --switch` ends it"


def test_a_rebuild_of_an_aggregate_is_not_said_to_cost_what_a_table_does() -> None:
    ((what, do),) = said(12 * DAY, kept=2, aggregate=True)
    assert what == "generation 2 has kept for 12 days what its states were before they were exchanged"
    assert do.endswith("--rollback puts that back")


def test_a_rebuild_that_left_topics_behind_is_found() -> None:
    ((what, do),) = said(60, left_over=(1, 2))
    assert what.startswith("topics of generation 1, 2 are left over")
    assert "--prune" in do
