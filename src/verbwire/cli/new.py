"""``verbwire new``: a project to begin with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from verbwire.cli.output import AsJson, print_json, print_text


def new(
    name: Annotated[str, typer.Argument(help="A lower-case word; contexts are called after it.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write it; default: a folder NAME in the working folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a project to begin with: contracts, an aggregate, a table, tests, a demo; nothing is overwritten.

    Example: verbwire new home && cd home && make demo
    """
    from verbwire.scaffolding.create import create_project

    place = (folder or Path(name)).absolute()
    files = create_project(name, place)
    if as_json:
        print_json({"folder": str(place), "files": [each.as_posix() for each in files]})
    else:
        print_text(f"wrote {len(files)} files into {_near(place)}, README.md says what they are\n\n{_next(place)}")


def _near(place: Path) -> str:
    """The folder as one would type it from here."""
    relative = os.path.relpath(place)
    return str(place) if relative.startswith("..") else relative


def _next(place: Path) -> str:
    lines = (
        ("make demo", "installs, starts Kafka here, sends commands, shows what became of them"),
        ("make dev", "Kafka and a worker, until Ctrl-C; what you change is started again"),
        ("make test", "contracts against code, then tests: as functions, in memory, on Kafka"),
    )
    enter = "" if _near(place) == "." else f"  cd {_near(place)}\n"
    return enter + "\n".join(f"  {command:<10} # {what}" for command, what in lines)
