"""An environment to be thrown away for peers that are no dependencies of ours."""

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
    """One virtual environment a peer, in a folder that the run deletes: their dependencies need not agree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python_for(self, module: str, say: Callable[[str], None]) -> str | None:
        """Install what the peer needs and return the interpreter; None, with a line that says why, if that fails."""
        folder, packages = self._folder / module, REQUIREMENTS[module]
        say(f"  installing {' '.join(packages)}")
        try:
            _run([sys.executable, "-m", "venv", str(folder)])
            python = folder / "bin" / "python"
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        except subprocess.CalledProcessError as error:
            say(f"  skipped, {packages[0]} cannot be installed: {(error.stderr or '').strip().splitlines()[-1:]}")
            return None
        return str(python)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
