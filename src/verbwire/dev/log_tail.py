"""Follows the log of a worker, and tells apart what its developer wants to see at once."""

from __future__ import annotations

import re
from pathlib import Path

_ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (?P<level>[A-Z]+) +(?P<said>.*)", re.DOTALL)
_QUIET = frozenset({"DEBUG", "INFO"})


class LogTail:
    """Reads what has been added to a log since the last time. A file that is shorter than before has begun anew."""

    def __init__(self, file: Path, everything: bool = False) -> None:
        self._file = file
        self._everything = everything
        self._at = 0
        self._rest = b""
        self._shown = True  # of the entry that indented lines go on with

    def new_lines(self) -> list[str]:
        """Return the new lines that are to be shown: warnings, errors, and what the project's own code prints."""
        return [line for line in self._read() if self._shows(line)]

    def _read(self) -> list[str]:
        try:
            with self._file.open("rb") as log:
                if log.seek(0, 2) < self._at:
                    self._at, self._rest = 0, b""
                log.seek(self._at)
                added = log.read()
        except OSError:  # not there yet
            return []
        self._at += len(added)
        *whole, self._rest = (self._rest + added).split(b"\n")
        return [each.decode("utf-8", "replace") for each in whole]

    def _shows(self, line: str) -> bool:
        """Lines of an entry after its first are indented; what is neither was printed by somebody else."""
        if (entry := _ENTRY.match(line)) is not None:
            self._shown = self._everything or entry["level"] not in _QUIET
        elif not line.startswith("    "):
            self._shown = True
        return self._shown
