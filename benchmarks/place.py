"""Where and how large a run is: what every process of it is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SHOP = Path(__file__).parent / "shop"


@dataclass(frozen=True)
class Place:
    """One run. Standard library only: peers read it in an environment that has no verbwire."""

    bootstrap: str
    registry: str
    prefix: str
    events: int
    commands: int
    asks: int  # commands sent one at a time
    slow: int  # records for peers that would take minutes with all of them
    partitions: int = 4

    def topic(self, name: str) -> str:
        """Return the name of a topic of this run."""
        return f"{self.prefix}.{name}"

    def text(self) -> str:
        """Return it as the argument of another process."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Place:
        """Read such an argument."""
        return cls(**json.loads(text))


def schema(name: str) -> dict[str, Any]:
    """Return a schema of the benchmarks' project, its named types spelled out: ``orders/OrderPlaced``."""
    file = SHOP / "schemas" / f"{name}.avsc"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    for field in found["fields"]:
        if field["type"] == {"type": "array", "items": "Item"}:
            field["type"]["items"] = json.loads(file.with_name("Item.avsc").read_text("utf-8"))
    return found
