"""Which files this process has open."""

from __future__ import annotations

from pathlib import Path

import psutil


def open_below(folder: Path) -> list[Path]:
    """The files below a folder that are open, once for each descriptor."""
    found = [Path(each.path) for each in psutil.Process().open_files()]
    return sorted(each for each in found if each.is_relative_to(folder.resolve()))
