"""What a deployment changed, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verbwire.contracts.schema.model import Schema


@dataclass(frozen=True)
class DeployReport:
    """What a deployment changed, and what it found otherwise than planned and left alone."""

    topics: tuple[str, ...] = ()  # created
    schemas: tuple[str, ...] = ()  # subjects with a new version
    levels: tuple[str, ...] = ()  # subjects with a new compatibility level
    notes: tuple[str, ...] = ()
    unchanged: int = 0  # topics and schemas
    dry_run: bool = False  # nothing was changed: this is what would be
    planned: frozenset[str] = frozenset()  # all topics that should stand there
    undeclared: tuple[str, ...] = ()  # subjects of the owned namespaces that no contract is about any more
    versions: Mapping[str, Sequence[Schema]] = field(default_factory=dict)  # before each that is new, the newest first

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self.topics or self.schemas or self.levels)

    def facts(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "dry_run": self.dry_run,
            "topics": list(self.topics),
            "schemas": list(self.schemas),
            "levels": list(self.levels),
            "notes": list(self.notes),
            "unchanged": self.unchanged,
        }

    def lines(self) -> list[str]:
        """The report for people, one line for each thing."""
        return [
            *(f"{'would create' if self.dry_run else 'created'} topic {name}" for name in self.topics),
            *(f"{'would register' if self.dry_run else 'registered'} {subject}" for subject in self.schemas),
            *(f"{'would set' if self.dry_run else 'set'} compatibility of {subject}" for subject in self.levels),
            *(f"note: {note}" for note in self.notes),
            f"{self.unchanged} topics and schemas unchanged" if self.changed else "nothing to change",
        ]
