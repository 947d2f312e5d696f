"""Environments for peers that are no dependencies of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REQUIREMENTS = {
    "faststream_dict": ["faststream[confluent]", "fastavro"],
    "quix_table": ["quixstreams", "fastavro"],
}


class PeerEnvironment:
    """One virtual environment a peer, kept for the runs that follow: their dependencies need not agree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python_for(self, module: str, say: Callable[[str], None]) -> str | None:
        """Install what the peer needs and return the interpreter; None, with a line that says why, if that fails."""
        folder, packages = self._folder / module, REQUIREMENTS[module]
        python, whole = folder / "bin" / "python", folder / "installed"
        if whole.exists():
            return str(python)
        say(f"  installing {' '.join(packages)} into {folder}")
        try:
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        except subprocess.CalledProcessError as error:
            say(f"  skipped, {packages[0]} cannot be installed: {(error.stderr or '').strip().splitlines()[-1:]}")
            return None
        whole.touch()
        return str(python)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
