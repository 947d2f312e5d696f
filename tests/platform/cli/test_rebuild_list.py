"""``verbwire rebuild`` without a name: the generations that there are, and what may be done next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.cli import library, verbwire
from verbwire.cli.generations import generation_row
from verbwire.rebuild.progress import RebuildProgress
from verbwire.rebuild.report import RebuildState

UNDER_WAY = RebuildProgress(table="shop.orders", generation=1, records=7, left=1_204, rate=602.0, seconds=2.0)
COMPLETE = RebuildProgress(table="shop.orders", generation=1, records=1_211, left=0)


def row(**more: Any) -> tuple[str, ...]:
    usual: dict[str, Any] = {"table": "shop.orders", "serving": 0, "followed": (0,), "since_ms": 0, "seconds": 7200.0}
    return generation_row(RebuildState(**{**usual, **more}))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, ("-", "-", "-")),
        (
            {"building": 1, "builders": 2, "progress": UNDER_WAY},
            ("-", "1: 7 records, 1,204 to go, 602/s, 2.0 s left, by 2", "-"),
        ),
        (
            {"building": 1, "builders": 0, "progress": UNDER_WAY},
            (
                "-",
                "1: 7 records, 1,204 to go, 602/s, 2.0 s left, by nobody",
                "`verbwire rebuild shop.orders` goes on with it, or --discard",
            ),
        ),
        (
            {"building": 1, "builders": 0, "progress": COMPLETE},
            ("-", "1: 1,211 records, 0 to go, by nobody", "--switch, or --discard"),
        ),
        ({"serving": 1, "kept": 0, "followed": (0, 1)}, ("0", "-", "--forget, or --rollback")),
        ({"exchanging": 1}, ("-", "1 is taken, partition by partition", "--switch ends it")),
        ({"exchanging": 1, "switching": True}, ("-", "1 is taken, partition by partition", "a switch is under way")),
    ],
)
def test_rebuild_lists_what_is_kept_and_built_with_the_next_step(
    state: dict[str, Any], said: tuple[str, str, str]
) -> None:
    table, serving, since, *rest = row(**state)
    assert (table, serving, since) == ("shop.orders", str(state.get("serving", 0)), "2 h")
    assert tuple(rest) == said


def test_rebuild_without_the_workers_secret_says_what_it_is_for_before_it_begins(tmp_path: Path) -> None:
    folder = library(tmp_path)
    assert verbwire(folder, "schemas", "generate").returncode == 0
    said = verbwire(folder, "rebuild", "library.lent", VERBWIRE_BOOTSTRAP="127.0.0.1:1", VERBWIRE_REGISTRY="http://x")
    assert said.returncode == 2, said.stderr
    assert "announces itself to them, signed" in said.stderr
    assert "VERBWIRE_HTTP_INTERNAL_SECRET" in said.stderr


def test_rebuild_steps_need_a_name(tmp_path: Path) -> None:
    said = verbwire(library(tmp_path), "rebuild", "--switch")
    assert said.returncode == 2
    assert "say of which table or aggregate" in said.stderr
