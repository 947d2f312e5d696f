"""What the checker found wrong: the kind of it, for tests, and sentences, for people."""

from __future__ import annotations

from collections import Counter

SHOWN = 3  # sentences kept of each kind; the rest is counted


class Findings:
    """Violations of exactness, by kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._sentences: dict[str, list[str]] = {}

    def add(self, kind: str, sentence: str) -> None:
        """Take down one violation."""
        self._counts[kind] += 1
        kept = self._sentences.setdefault(kind, [])
        if len(kept) < SHOWN:
            kept.append(sentence)

    def require(self, holds: bool, kind: str, sentence: str) -> None:
        """Take it down unless it holds."""
        if not holds:
            self.add(kind, sentence)

    @property
    def kinds(self) -> set[str]:
        """The kinds of violations; empty where everything is exact."""
        return set(self._counts)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __repr__(self) -> str:
        return (
            "; ".join(f"{kind} ({self._counts[kind]}): {', '.join(kept)}" for kind, kept in self._sentences.items())
            or "exact"
        )
