"""Names for workers that are many and have none: ``name-*`` becomes the first number that is free on their volume.

Containers that are scaled by number have no lasting name of their own: a recreated one has another, its
predecessor's copies are lost, and its place in the group is kept for a member that will not come back. A lock in the
data folder, which such workers share, gives them numbers: a recreated worker takes the one that was freed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TextIO

from verbwire.errors import ConfigurationError
from verbwire.security.private_files import private_folder
from verbwire.settings import Settings
from verbwire.worker.folder_lock import locked, nothing_can_be_kept

log = logging.getLogger(__name__)

_MANY = 10_000


@contextmanager
def named(settings: Settings) -> Iterator[Settings]:
    """Give settings in which the worker has its name; a numbered one is its own until the block, or the process, ends.

    Among the workers that share a data folder, on one machine or on a file system that keeps locks: those of several
    machines need patterns of their own. ConfigurationError where nothing can be written there.
    """
    if not settings.worker.endswith("*"):
        yield settings
        return
    name, lock = _free(settings.data_folder / "workers", settings.worker.removesuffix("*"))
    with lock:
        log.info("this worker takes the name %s, the first free one of %s", name, settings.worker)
        yield replace(settings, worker=name)


def _free(folder: Path, stem: str) -> tuple[str, TextIO]:
    for number in count(1):
        lock = _lock(folder, f"{stem}{number}")
        if lock is not None:
            return f"{stem}{number}", lock
        if number == _MANY:
            break
    raise ConfigurationError(f"{_MANY} workers called {stem}* run on {folder}: give this one another name")


def _lock(folder: Path, name: str) -> TextIO | None:
    try:
        return locked(private_folder(folder) / f"{name}.lock")
    except OSError as error:
        raise nothing_can_be_kept(folder, error, "these workers'") from error
