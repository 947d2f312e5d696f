"""Prints the packages of src/verbwire from the ground up: what each is for, and what it may import.

``make layout``, or ``python -m tests.layout`` in the virtual environment.
"""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

from tests.test_house import MAY_IMPORT, ON_TOP, PLATFORM


def first_line(room: str) -> str:
    """What a room says of itself."""
    path = PLATFORM.joinpath(*room.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n")[0]


def main() -> None:
    """Print one floor after another: a room imports only from floors below it."""
    floors: dict[str, int] = {}
    for room in TopologicalSorter(MAY_IMPORT).static_order():
        floors[room] = 1 + max((floors[below] for below in MAY_IMPORT.get(room, ())), default=-1)
    top = max(floors.values()) + 1
    floors |= {room: top for room in ON_TOP if room != "__init__"}
    for floor in range(top + 1):
        print(f"\nfloor {floor}")
        for room in sorted(each for each, its in floors.items() if its == floor):
            print(f"  {room:26} {first_line(room)}")
            if below := sorted(MAY_IMPORT.get(room, ())):
                print(f"  {'':26} imports {', '.join(below)}")


if __name__ == "__main__":
    main()
