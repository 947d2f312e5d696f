"""Markdown: tables, and text that is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"(`[^`]*`)|[\\*_<>\[\]{}]")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; what would end a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def plain(text: str) -> str:
    """Return markdown that shows a text as it is, but for code between backticks."""
    return _SPECIAL.sub(lambda found: found[1] or f"\\{found[0]}", text)
