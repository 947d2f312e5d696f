"""Writes files through to the disk, so that they survive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def write_through(path: Path) -> None:
    """Write a file, or what a folder says of its files, through to the disk; OSError where that fails."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
