"""Formats exceptions for the log and for dead letters: in one line, and as a traceback without our own frames.

Values of variables are never shown. The message of an exception is, and may hold data.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

LONGEST = 1_000  # characters of an exception's message
_OURS = str(Path(__file__).parents[2]) + os.sep
_FIRST, _LAST = 3, 9  # frames that are shown of a long traceback
_CAUSES = 3


class Frame(NamedTuple):
    """Where in the code."""

    file: str
    line: int
    function: str


def summary(error: BaseException) -> str:
    """Return class and message of an exception in one line; never raises, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 (an exception that cannot say what it is must not become another)
        text = "(its message cannot be shown)"
    text = " ".join(text.split()) if len(text) <= LONGEST else " ".join(text[:LONGEST].split()) + " ..."
    return f"{type(error).__name__}: {text}".encode(errors="replace").decode()


def traceback_of(error: BaseException) -> str:
    """Return its traceback from the first frame that is not ours on, and that of its causes; empty where all is ours.

    Of many frames the first and the last are shown.
    """
    parts: list[str] = []
    for each in _chain(error):
        frames = frames_of(each)
        if parts:
            parts.append(f"because of {summary(each)}\n")
        left_out = len(frames) - _FIRST - _LAST
        shown = frames if left_out <= 0 else frames[:_FIRST]
        parts += map(_text, shown)
        if left_out > 0:
            parts += [f"  ... {left_out} frames more ...\n", *map(_text, frames[-_LAST:])]
    return "".join(parts).encode(errors="replace").decode().rstrip("\n")


def frames_of(error: BaseException) -> list[Frame]:
    """Return where it was raised, outermost first, from the first frame that is not ours on."""
    frames = list(_frames(error.__traceback__))
    users = (index for index, frame in enumerate(frames) if not frame.file.startswith(_OURS))
    first = next(users, None)
    return [] if first is None else frames[first:]


def _frames(traceback: TracebackType | None) -> Iterator[Frame]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield Frame(code.co_filename, traceback.tb_lineno, code.co_qualname)
        traceback = traceback.tb_next


def _chain(error: BaseException) -> Iterator[BaseException]:
    known: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and len(known) <= _CAUSES and not any(found is each for each in known):
        yield found
        known.append(found)
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


@lru_cache(512)
def _text(frame: Frame) -> str:
    source = linecache.getline(frame.file, frame.line).strip()
    file = frame.file.removeprefix(str(Path.cwd()) + os.sep)
    return f'  File "{file}", line {frame.line}, in {frame.function}\n' + (f"    {source}\n" if source else "")
