"""Which files of a project have changed, and what has to be done for it.

By looking at all of them twice a second, as uvicorn does where it has no watcher of the system's: a project has some
hundred files, and two looks compared miss nothing that happened in between, on any file system, while something
else was being done. A system's watcher would have to be kept away from .venv and from the data of Kafka.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

_SETTINGS = "pyproject.toml"
_SCHEMAS = "schemas"
_ASIDE = frozenset({"tests", "__pycache__", "node_modules", "build", "dist"})  # no worker imports these
_STILL_SECONDS = 0.25

Look: TypeAlias = Mapping[str, tuple[int, int]]
"""Of each file, by its path in the project: when it was changed, and its size."""


class Needed(IntEnum):
    """What changed files ask for; the greater includes the smaller."""

    NONE = 0
    CODE = 1  # check, deploy, start the workers again
    CONTRACTS = 2  # generate the classes first


def look(root: Path) -> Look:
    """Return the project's files that a worker depends on: contracts, code, settings."""
    return dict(_files(root, root))


def changed(before: Look, after: Look) -> list[str]:
    """Return the files that are new, gone, or other than before."""
    return sorted({name for name, _ in before.items() ^ after.items()})


def asked_for(files: list[str]) -> Needed:
    """Return what has to be done for changed files."""
    return max((_one(each) for each in files), default=Needed.NONE)


def _one(file: str) -> Needed:
    if file == _SETTINGS or file.endswith(".avsc"):
        return Needed.CONTRACTS
    # Generated, by us among others; the contracts that they are generated from are looked at.
    return Needed.NONE if file.startswith(f"{_SCHEMAS}{os.sep}") else Needed.CODE


def _files(folder: Path, root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # gone meanwhile
        return
    for each in entries:
        if each.name.startswith(".") or each.name in _ASIDE:
            continue
        if each.is_dir(follow_symlinks=False):
            if not os.path.exists(os.path.join(each.path, "pyvenv.cfg")):
                yield from _files(Path(each.path), root)
        elif each.name.endswith((".py", ".avsc")) or (each.name == _SETTINGS and folder == root):
            yield from _seen(each, root)


def _seen(entry: os.DirEntry[str], root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        status = entry.stat()
    except OSError:  # gone meanwhile, or a link to nowhere
        return
    yield os.path.relpath(entry.path, root), (status.st_mtime_ns, status.st_size)


class Changes:
    """What has changed since a moment, once it holds still: an editor saves several files one after another."""

    def __init__(self, root: Path, clock: float) -> None:
        self._root = root
        self._done = self._last = look(root)
        self._still_since = clock

    def settled(self, clock: float) -> list[str]:
        """Return what has changed since :meth:`take`; nothing as long as files are still being written."""
        now = look(self._root)
        if now != self._last:
            self._last, self._still_since = now, clock
        return changed(self._done, now) if clock - self._still_since >= _STILL_SECONDS else []

    def take(self) -> None:
        """Take what :meth:`settled` has seen last for done; what changes from now on comes next."""
        self._done = self._last
