"""What commands print: tables whose names can be copied into the next command, and JSON for programs.

Nothing is cut or wrapped, on a terminal or in a pipe, and what others wrote is spelled out where it could steer one.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.cells import cell_len

from verbwire.observability.escaping import escaped, escaped_lines
from verbwire.redaction import without_secrets

_GAP = "  "
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def write_what_the_terminal_takes() -> None:
    """Have stdout and stderr spell out what their encoding lacks (LC_ALL=C) instead of breaking off."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_text(text: str) -> None:
    """Print text of several lines; none where there is none."""
    if text:
        print(escaped_lines(text))


def print_json(value: Any) -> None:
    """Print JSON, in ASCII: it is the same in every encoding, and no character of a record reaches a terminal."""
    print(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under the names of their columns, aligned."""
    lines = [[*columns], *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        print(_GAP.join(padded).rstrip())


def print_error(text: str) -> None:
    """Print an error to stderr, red on a terminal."""
    shown = escaped_lines(without_secrets(text))
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    print(f"{_RED}{shown}{_PLAIN}" if coloured else shown, file=sys.stderr)


def shown_time(milliseconds: int) -> str:
    """Return a time for people."""
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
