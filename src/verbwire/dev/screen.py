"""Draws the board: a panel that stays below what scrolls on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from verbwire.dev.board import Board, GroupView
from verbwire.observability.escaping import escaped
from verbwire.redaction import without_secrets

_A_SECOND = 4
_PROBLEMS = 12  # lines; all of them stand above, once


class Screen:
    """Shows a board. A context manager; `say` may be called from any thread.

    On a terminal the panel is drawn anew four times a second; elsewhere, and without `panel`, a line is printed when a
    state changes.
    """

    def __init__(self, board: Board, console: Console, panel: bool = True) -> None:
        self._board = board
        self._console = console
        self._has_panel = panel and console.is_terminal
        self._opened = ExitStack()
        self._told: dict[str, str] = {}  # what lines have said last of each group and worker

    def __enter__(self) -> Screen:
        if self._has_panel:
            self._opened.enter_context(
                Live(console=self._console, get_renderable=self._panel, refresh_per_second=_A_SECOND, transient=True)
            )
            self._opened.enter_context(_LogsThrough(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def say(self, text: str, style: str = "") -> None:
        """Print a line that stays. What others wrote into it steers no terminal."""
        self._console.print(Text(escaped(without_secrets(text)), style), soft_wrap=True)

    def say_all(self, lines: Iterable[str], style: str = "") -> None:
        """Print several."""
        for each in lines:
            self.say(each, style)

    def say_where_no_panel_is(self, text: str) -> None:
        """Print a line of what a panel shows by itself."""
        if not self._has_panel:
            self.say(text)

    def changed(self) -> None:
        """Where no panel is: say which states have changed since the last call."""
        if self._has_panel:
            return
        now = {name: state for name, state in self._board.workers.items() if state}
        now |= {name: _states(group) for name, group in self._board.groups.items()}
        self.say_all(f"{name}: {state}" for name, state in now.items() if self._told.get(name) != state)
        self._told = now

    def _panel(self) -> RenderableType:
        board = self._board
        title = Text.assemble("\n", (escaped(board.title), "bold"), ("   Ctrl-C ends all of it", "dim"))
        parts: list[RenderableType] = [title, self._state()]
        if board.problems:
            parts.append(_lines(board.problems[:_PROBLEMS], "red"))
        if board.groups:
            parts.append(_groups(board))
        if rejected := [each.line for each in board.rejections]:
            parts += [Text("last rejections", "dim"), _lines(rejected)]
        return Group(*parts, _lines(board.links, "dim"))

    def _state(self) -> Text:
        workers = ", ".join(f"{name} {state}" for name, state in self._board.workers.items())
        return Text(escaped("; ".join(filter(None, (self._board.doing, workers)))))


def _states(group: GroupView) -> str:
    why = "".join(f"; partition {each}: {reason}" for each, reason in sorted(group.stopped.items()))
    return f"{group.state}{why}"


def _lines(lines: Iterable[str], style: str = "") -> Text:
    return Text(
        "\n".join(f"  {escaped(without_secrets(each))}" for each in lines), style, no_wrap=True, overflow="ellipsis"
    )


def _groups(board: Board) -> Table:
    table = Table(box=None, pad_edge=True, header_style="dim")
    table.add_column("group", no_wrap=True)
    table.add_column("partitions")
    for name in ("lag", "records/s", "handled", "dead letters"):
        table.add_column(name, justify="right")
    for name, group in board.groups.items():
        numbers = (_number(group.lag), _number(group.rate), _number(group.handled), _number(group.dead_letters))
        style = "red" if group.stopped or group.dead_letters else ""
        table.add_row(Text(name), Text(escaped(_states(group)), style), *numbers)
    return table


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"


class _LogsThrough(logging.Handler):
    """Has our own log entries printed above the panel, instead of across it."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen
        self._before: list[logging.Handler] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Print an entry."""
        self._screen.say_all(self.format(record).splitlines(), "yellow")

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._before, root.handlers[:] = root.handlers[:], [self]

    def __exit__(self, *_: object) -> None:
        logging.getLogger().handlers[:] = self._before
