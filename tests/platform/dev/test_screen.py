"""What `verbwire dev` draws, on a terminal and in a pipe; no Kafka, the board is written by hand."""

from __future__ import annotations

import io
import logging

from rich.console import Console

from verbwire.dev.board import Board, GroupView, RejectionView
from verbwire.dev.deployment import summary
from verbwire.dev.screen import Screen

HOSTILE = "\x1b[2J\u202e"


def board() -> Board:
    filled = Board("home  Kafka 127.0.0.1:9092", doing="watching")
    filled.workers = {"dev-1": "ready"}
    filled.groups = {
        "home.lights": GroupView({"running": 11, "stopped": 1}, 1204, 12.4, None, 3, {"4": f"raised {HOSTILE}"})
    }
    filled.rejections.append(RejectionView("15:03:10", "SwitchOn", HOSTILE, "already_on", "light is on"))
    filled.problems = [f"line {number}: error" for number in range(40)]
    filled.links = ["http://127.0.0.1:8700/tables  tables"]
    return filled


def test_dev_screen_on_a_terminal_has_all_of_the_board_and_nothing_steers_it() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=120, height=60)
    logged = logging.getLogger().handlers[:]
    with Screen(board(), console) as screen:
        assert logging.getLogger().handlers != logged
        logging.getLogger("verbwire").warning("of our own")
    assert logging.getLogger().handlers == logged
    shown = out.getvalue()
    for each in (
        "home  Kafka",
        "watching; dev-1 ready",
        "11 running, 1 stopped; partition 4: raised",
        "1,204",
        "already_on",
    ):
        assert each in shown
    assert "?" in next(line for line in shown.splitlines() if "home.lights" in line), "lag that nobody tells"
    assert "line 11: error" in shown
    assert "line 12: error" not in shown
    assert "of our own" in shown
    assert HOSTILE not in shown
    assert screen is not None


def test_dev_screen_in_a_pipe_says_a_state_once_and_again_when_it_changes() -> None:
    out, now = io.StringIO(), board()
    with Screen(now, Console(file=out, width=80)) as screen:
        screen.changed()
        screen.changed()
        now.groups = {"home.lights": GroupView({"running": 12}, 1300)}
        screen.changed()
        screen.say_where_no_panel_is(f"rejected: {HOSTILE} http://ann:secret@host/")
    lines = out.getvalue().splitlines()
    assert lines[0] == "dev-1: ready"
    assert lines[1].startswith("home.lights: 11 running, 1 stopped; partition 4: raised \\x1b[2J")
    assert lines[2] == "home.lights: 12 running"
    assert lines[3] == "rejected: \\x1b[2J\\u202e http://***@host/"
    assert len(lines) == 4


def test_dev_counts_what_a_deployment_has_made_and_keeps_the_rest() -> None:
    lines = [
        "x.avsc: warning: [w]",
        "created topic a",
        "created topic b",
        "registered c",
        "note: d",
        "4 topics and schemas unchanged",
    ]
    assert summary(lines) == ["x.avsc: warning: [w]", "note: d", "deployed 2 topics and 1 schemas"]
    assert summary(["nothing to change"]) == []
