"""Locks among the processes that share a data folder: held by an open file, and released with it, however they end."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from verbwire.errors import ConfigurationError
from verbwire.security.private_files import private_file


def is_locked_by_us(file: TextIO) -> bool:
    """Lock a file at once, until it is closed; False where another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def locked(path: Path) -> TextIO | None:
    """Return the file, made where it is not there and locked until it is closed; None where another process has it.

    OSError where it cannot be made.
    """
    file = private_file(path).open("w")
    if is_locked_by_us(file):
        return file
    file.close()
    return None


def nothing_can_be_kept(folder: Path, error: OSError, whose: str) -> ConfigurationError:
    """Return what is raised for a folder in which nothing can be written; `whose` folder it should be."""
    return ConfigurationError(
        f"nothing can be kept in {folder}: {error.strerror}; set data (VERBWIRE_DATA) to a folder of {whose}"
    )
