"""What has to be done before workers start: classes, check, topics and schemas, each by a process of its own.

The project's modules are imported by those processes and never by this one, which could not forget them again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND_LINE = (sys.executable, "-m", "verbwire")


@dataclass(frozen=True, slots=True)
class CommandStep:
    """What a command of ours has said, and whether it went well."""

    well: bool
    lines: Sequence[str]


def generate_classes(root: Path) -> CommandStep:
    """Write the typed classes of the contracts."""
    step = _run(root, "schemas", "generate")
    return CommandStep(step.well, [each for each in step.lines if not each.startswith("nothing to do")])


def deploy_project(root: Path) -> CommandStep:
    """Check the project, and make what is missing on the cluster; nothing where the check finds errors."""
    step = _run(root, "deploy")
    return CommandStep(step.well, summary(step.lines) if step.well else step.lines)


def summary(lines: Sequence[str]) -> list[str]:
    """Return what a deployment has said with its new topics and schemas counted, not listed."""
    created, registered = (sum(line.startswith(verb) for line in lines) for verb in ("created topic", "registered "))
    rest = [each for each in lines if not each.startswith(("created topic", "registered ", "nothing to change"))]
    kept = [each for each in rest if not each.endswith(" topics and schemas unchanged")]
    return [*kept, *([f"deployed {created} topics and {registered} schemas"] if created or registered else [])]


def _run(root: Path, *arguments: str) -> CommandStep:
    ran = subprocess.run(  # noqa: S603 (our own command line)
        [*COMMAND_LINE, *arguments], cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    said = ran.stdout if ran.returncode == 0 else f"{ran.stdout}{ran.stderr}"
    return CommandStep(ran.returncode == 0, said.splitlines())
