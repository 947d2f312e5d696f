"""The pages of the command line, from typer's own tree of commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from docs.extensions.markdown import plain, table
from verbwire.cli import app

COLUMNS = ("", "says")


def page() -> str:
    """Return a section for each command, in markdown."""
    return "\n".join(_section(path, command) for path, command in commands())


def commands() -> Iterator[tuple[str, TyperCommand]]:
    """Yield each command that does something, with all the words that call it, in alphabetical order."""
    root = typer.main.get_command(app)
    yield from sorted(_below("verbwire", root), key=lambda each: each[0])


def _below(path: str, command: Any) -> Iterator[tuple[str, TyperCommand]]:
    if not isinstance(command, TyperGroup):
        yield path, command
        return
    for name, each in command.commands.items():
        if not each.hidden:
            yield from _below(f"{path} {name}", each)


def _section(path: str, command: TyperCommand) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(typer.Context(command, info_name=path))])
    said = "\n\n".join(map(_paragraph, inspect.cleandoc(command.help or "").split("\n\n")))
    rows = [_row(each) for each in command.params if not getattr(each, "hidden", False)]
    return f"## {path}\n\n```text\n{usage}\n```\n\n{said}\n\n{table(COLUMNS, rows) if rows else ''}"


def _paragraph(text: str) -> str:
    """Return what help says: examples, whose lines are kept as they are (Click's ``\\b``, or indented), as code."""
    lines = [line for line in text.splitlines() if line.strip() != "\b"]
    if len(lines) < len(text.splitlines()) or any(line.startswith(" ") for line in lines):
        return "```text\n" + inspect.cleandoc("\n".join(["", *lines])) + "\n```"
    return plain(text)


def _row(parameter: Any) -> tuple[str, str]:
    is_option = parameter.param_type_name == "option"
    names = (*parameter.opts, *parameter.secondary_opts) if is_option else (parameter.name.upper(),)
    return ", ".join(f"`{each}`" for each in names), plain(parameter.help or "")
