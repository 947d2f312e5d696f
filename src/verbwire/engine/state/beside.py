"""What a changelog keeps with a row, in a header of its record: restored with it, and seen by no query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verbwire.messages import Stored


@dataclass(frozen=True)
class Beside:
    """What stands with each row of a table. `join` makes of a row, and of that, what the group's processor sees."""

    header: str
    column: str  # of the local copy, the last one
    join: Callable[[Stored, bytes | None], Stored]
