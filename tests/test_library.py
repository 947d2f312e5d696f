"""The second example, `examples/library`, is a project of its own: it checks itself, and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "examples" / "library"


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "verbwire", "check"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not kafka"],
    ],
    ids=["check", "tests"],
)
def test_library_passes(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VERBWIRE_")}
    done = subprocess.run(
        [sys.executable, *command], cwd=LIBRARY, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
