"""The local copies of tables, in a folder for each worker: locked while in use, removed once they are abandoned.

A copy is worth keeping while its worker may come back: it goes on where it was, instead of reading the whole log. A
worker whose name is never used again leaves its copies for good.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from verbwire.errors import ConfigurationError
from verbwire.idle import let_go_of_what_idles
from verbwire.security.private_files import keep_from_others, private_folder
from verbwire.worker.folder_lock import is_locked_by_us, locked, nothing_can_be_kept

log = logging.getLogger(__name__)

KEPT_SECONDS = (
    7 * 86400.0
)  # after so long a worker is taken for gone; if it comes back, it restores from the changelogs
LOOK_SECONDS = 3600.0
IDLE_LOOK_SECONDS = 2.0
_LOCK = ".lock"  # held by the process that uses a copy, and touched meanwhile, so that its age tells when that was
_GONE = ".gone-"  # before the name of a folder that is being removed


def hold(copies: Path) -> TextIO:
    """Keep other processes from a group's copies until the file is closed; ConfigurationError when one has them.

    A predecessor of the same name that was only held up, between its commit and the local write, would put older rows
    under newer ones.
    """
    try:
        file = locked(keep_from_others(private_folder(copies)) / _LOCK)
    except OSError as error:
        raise nothing_can_be_kept(copies, error, "this worker's") from error
    if file is None:
        raise ConfigurationError(
            f"another process has the copies in {copies}: end it, or give this worker a name of its own "
            "(VERBWIRE_WORKER)"
        )
    return file


class LocalCopies:
    """Says now and then that a worker still has its copies, and removes those of workers that are gone.

    Between times it lets go of what idles in this process: copies that are at rest, clients of Kafka.

    `tables` holds a folder for each worker that was ever here, of this machine or of others that share it.
    """

    def __init__(self, tables: Path, worker: str) -> None:
        self._tables = tables
        self._own = tables / worker
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verbwire-copies", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own, once this worker holds its copies."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        due = 0.0
        while True:
            if time.monotonic() >= due:
                self._look()
                due = time.monotonic() + LOOK_SECONDS
            if self._stopping.wait(IDLE_LOOK_SECONDS):
                return
            try:
                let_go_of_what_idles()
            except Exception:
                log.exception("letting go of what idles failed, it is tried again")

    def _look(self) -> None:
        try:
            for lock in self._own.glob(f"*/{_LOCK}"):
                os.utime(lock)
            remove_forgotten(self._tables, self._own.name, time.time() - KEPT_SECONDS)
        except OSError as error:  # a full disk, or another user's folder: no work depends on it
            log.warning("local copies of workers that are gone could not be removed: %s", error)


def remove_forgotten(tables: Path, own: str, before: float) -> None:
    """Remove the copies of workers that no process has held since `before` (seconds since the epoch)."""
    for folder in sorted(tables.iterdir()) if tables.is_dir() else ():
        if folder.name.startswith(_GONE):  # who began to remove it was ended
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.name != own and folder.is_dir() and (used := _last_used(folder)) < before:
            _remove(folder, used)


def _remove(folder: Path, used: float) -> None:
    with ExitStack() as held:
        for path in folder.glob(f"*/{_LOCK}"):
            if not is_locked_by_us(held.enter_context(path.open("r+"))):
                return  # its worker is there, whatever its files say
        size = sum(path.stat().st_size for path in _files(folder))
        gone = folder.with_name(_GONE + folder.name)
        folder.rename(gone)  # atomically: should its worker start just now, it makes new copies beside it
        shutil.rmtree(gone)
    day = time.strftime("%Y-%m-%d", time.gmtime(used))
    log.info("removed the local copies of worker %s, last used on %s: %.1f MB", folder.name, day, size / 1e6)


def _last_used(folder: Path) -> float:
    return max((path.stat().st_mtime for path in _files(folder)), default=folder.stat().st_mtime)


def _files(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):  # another worker removes it, too
        yield from (path for path in folder.rglob("*") if path.is_file())
