"""Folders and files that no other user of the machine may read: copies of rows, offsets, logs, secrets."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER, FILE = 0o700, 0o600
UMASK = 0o077  # for processes that we start
_OTHERS = 0o077


def private_folder(folder: Path) -> Path:
    """Return the folder, made with what is missing above it if it is not there (mode 0700); OSError where it cannot be.

    One that is there stays as it is: see :func:`keep_from_others`.
    """
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            each.mkdir(FOLDER, exist_ok=True)
    return folder


def private_file(file: Path) -> Path:
    """Return the file, made empty if it is not there (mode 0600)."""
    os.close(os.open(file, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, FILE))
    _tighten(file)
    return file


def keep_from_others(folder: Path) -> Path:
    """Return the folder, in which group and others may do nothing any more. Links are not followed.

    Of what another user owns that is said in the log.
    """
    _tighten(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _tighten(Path(place, name))
    return folder


def _tighten(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:  # its maker has removed it again
        return
    except PermissionError:
        log.warning("%s is readable by other users of this machine, and this process may not change that", path)
