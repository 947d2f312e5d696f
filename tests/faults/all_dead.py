"""Workers that are played by the test: whoever committed last is taken for dead, as nobody here announces itself."""

from __future__ import annotations

from collections.abc import Collection


class AllDead:
    """Knows no worker that lives."""

    def dead(self, named: Collection[str]) -> set[str]:
        """All of the named."""
        return set(named)

    def caught_up(self, group: str, partition: int) -> bool:  # noqa: ARG002 (the protocol's)
        """Nobody says so."""
        return False
