"""What the demo shows while it runs: a live panel on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

_LIVE_SECONDS = 0.1
_LINE_SECONDS = 2.0


@dataclass
class Numbers:
    """How far everything is."""

    doing: str = ""
    lines: int = 0
    commands: int = 0  # of the importer, acknowledged by the broker
    outcomes: dict[str, int] = field(default_factory=dict)  # by "accepted" or a rejection's code
    events: int = 0
    earlier: tuple[int, int] = (0, 0)  # outcomes and events of earlier runs, which say nothing of today's speed
    rows: dict[str, int | None] = field(default_factory=dict)  # by table


class Screen:
    """Shows `numbers` at its own pace; a context manager for as long as something moves."""

    def __init__(self, console: Console) -> None:
        self.numbers = Numbers()
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._began = time.monotonic()
        self._next = 0.0
        self._active = False

    def __enter__(self) -> Screen:
        self._active = True
        self._began = time.monotonic()
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._active = False
        if self._live:
            self._live.stop()

    def due(self) -> bool:
        """Whether it is time to show something again; asked often, so it is cheap."""
        return self._active and time.monotonic() >= self._next

    def show(self) -> None:
        """Show the numbers now."""
        now = time.monotonic()
        self._next = now + (_LIVE_SECONDS if self._live else _LINE_SECONDS)
        seconds = max(now - self._began, 0.001)
        if self._live:
            self._live.update(self._panel(seconds), refresh=True)
        else:
            self._console.print(self._line(seconds), highlight=False, markup=False, soft_wrap=True)

    def _panel(self, seconds: float) -> Table:
        numbers, panel = self.numbers, Table(box=None, show_header=False, pad_edge=False)
        panel.add_column(style="dim", width=34)
        panel.add_column(justify="right", width=10)
        panel.add_column(style="dim")
        panel.add_row(numbers.doing)
        panel.add_row("lines read", f"{numbers.lines:,}")
        panel.add_row("commands taken by the broker", f"{numbers.commands:,}", f"{numbers.commands / seconds:,.0f}/s")
        outcomes, earlier = sum(numbers.outcomes.values()), numbers.earlier
        panel.add_row("outcomes", f"{outcomes:,}", f"{(outcomes - earlier[0]) / seconds:,.0f}/s")
        for word, number in sorted(numbers.outcomes.items()):
            panel.add_row(f"  {word}", f"{number:,}")
        panel.add_row("events", f"{numbers.events:,}", f"{(numbers.events - earlier[1]) / seconds:,.0f}/s")
        for table, rows in numbers.rows.items():
            panel.add_row(f"rows of {table}", "-" if rows is None else f"{rows:,}")
        panel.add_row("seconds", f"{seconds:.1f}")
        return panel

    def _line(self, seconds: float) -> str:
        numbers = self.numbers
        outcomes = ", ".join(f"{word} {number:,}" for word, number in sorted(numbers.outcomes.items())) or "none yet"
        rows = ", ".join(f"{table} {'-' if count is None else f'{count:,}'}" for table, count in numbers.rows.items())
        return (
            f"{seconds:6.1f} s  {numbers.doing}: lines {numbers.lines:,}  commands {numbers.commands:,}"
            f"  outcomes: {outcomes}  events {numbers.events:,}  rows: {rows}"
        )
