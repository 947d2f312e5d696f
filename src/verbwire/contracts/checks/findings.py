"""What `verbwire check` reports, as text for people and JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How much a finding matters; only errors make a check fail."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. `code` is stable: programs and people may rely on it."""

    code: str
    severity: Severity
    file: str  # a path, with ``:line`` where one line is meant; or the group that is meant
    message: str

    @classmethod
    def at(cls, code: str, severity: Severity, file: Path | str, message: str) -> Finding:
        """A finding in a file, or in what a group declares."""
        return cls(code, severity, str(file), message)

    @property
    def line(self) -> str:
        """One line, as compilers write it."""
        return f"{self.file}: {self.severity}: {self.message} [{self.code}]"


def fails(findings: Iterable[Finding]) -> bool:
    """Whether there is an error among them."""
    return any(each.severity is Severity.ERROR for each in findings)


def as_text(findings: Sequence[Finding]) -> str:
    """One line for each finding, as compilers write them, and a line that counts them."""
    lines = [each.line for each in findings]
    counts = Counter(each.severity for each in findings)
    summary = ", ".join(f"{counts[each]} {each}{'s' if counts[each] > 1 else ''}" for each in Severity if counts[each])
    return "\n".join([*lines, summary or "nothing found"])


def as_json(findings: Sequence[Finding]) -> str:
    """A JSON list of objects with code, severity, file and message, in ASCII: the same in every encoding."""
    return json.dumps([asdict(each) for each in findings], indent=2)
