"""`make test-pythons`: the tests that need no broker, on each Python that we promise, as far as it is on this machine.

Each has an environment of its own beside the others (`.venv-3.13`), which is kept for the next time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICK = "not kafka and not chaos and not attack"
_ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


@dataclass(frozen=True)
class Interpreter:
    """A Python that answers."""

    path: Path
    version: str  # with its last part: 3.13.0


def promised() -> list[str]:
    """The versions that the package's classifiers name: 3.11, ..."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [each.removeprefix("Programming Language :: Python :: ") for each in project["classifiers"]]
    return [each for each in named if each.replace(".", "").isdigit()]


def find(version: str) -> Interpreter | None:
    """Return the first Python of that version: on PATH, else one of pyenv's, the newest of them first."""
    for path in _candidates(version):
        if (said := _version_of(path)) and said.rpartition(".")[0] == version:
            return Interpreter(path, said)
    return None


def _candidates(version: str) -> Iterator[Path]:
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    patches = (each for each in pyenv.glob(f"{version}.*") if each.name.rpartition(".")[2].isdigit())
    for each in sorted(patches, key=lambda each: int(each.name.rpartition(".")[2]), reverse=True):
        yield each / "bin" / f"python{version}"


def _version_of(path: Path) -> str | None:
    """What it says of itself; None where it does not run, as pyenv's stand-ins of versions that are not chosen."""
    if not path.is_file():
        return None
    asked = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else None


def run(version: str, python: Interpreter) -> tuple[bool, str]:
    """Set it up, run the tests; return whether they passed, and the last line of what was said."""
    environment = ROOT / f".venv-{version}"
    chosen = [f"VENV={environment.name}", f"PYTHON={python.path}"]
    log = environment.with_name(f"{environment.name}.log")
    with log.open("w") as out:
        for target in (["setup"], ["test", f"ARGS=-q -m '{QUICK}'"]):
            command = ["make", "-C", str(ROOT), *target, *chosen]
            if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode:
                return False, f"{_last_line(log)} (see {log.name})"
    last = _last_line(log)
    log.unlink()
    return True, last


def _last_line(log: Path) -> str:
    lines = [each for each in log.read_text().splitlines() if each.strip() and not each.startswith("make")]
    return lines[-1].strip("= ") if lines else "nothing was said"


def main(versions: Sequence[str]) -> int:
    """Try these versions one by one; return 1 where one failed, or none is here."""
    lines = [("Python", "tests that need no broker", "where")]
    passed = []
    for version in versions:
        python = find(version)
        if python is None:
            lines.append((version, "skipped: neither on PATH nor among pyenv's", ""))
            continue
        print(f"Python {python.version} ...", flush=True)
        good, said = run(version, python)
        passed.append(good)
        lines.append((python.version, said, str(python.path)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(each.ljust(width) for each, width in zip(line, widths, strict=True)).rstrip())
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or promised()))
