"""Help: each command shows how it is used, by examples that it would take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from verbwire.cli import app
from verbwire.cli.examples import EXAMPLES


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All commands below one, by their words."""
    found = getattr(command, "commands", None)
    if found is None:
        yield path.strip(), command
        return
    for name, each in found.items():
        yield from commands(each, f"{path} {name}")


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS)
def test_help_of_each_command_has_an_example(path: str) -> None:
    command = COMMANDS[path]
    text = command.get_help(typer.Context(command, info_name=path))
    assert re.search(r"Examples?:\s", text), f"give `verbwire {path}` an example, in cli/examples.py"
    assert f"verbwire {path}" in text


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_help_has_no_example_with_an_option_that_is_not_there(path: str) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    for example in "\n".join(EXAMPLES[path]).replace("\\\n", " ").split("\n"):
        words = shlex.split(example)
        assert " ".join(words).startswith(f"verbwire {path}")
        assert {word for word in words if word.startswith("--")} <= options, example
