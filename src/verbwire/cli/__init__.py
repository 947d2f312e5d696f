"""The command line: ``verbwire --help``. Thin: each command calls one function of the library."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.console import Console

from verbwire.cli import cluster, contracts, health, letters, work, workers
from verbwire.errors import ConfigurationError, VerbwireError
from verbwire.logs import set_up_logging
from verbwire.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Commands, events and queries made real on Kafka.",
)
app.add_typer(contracts.app, name="schemas")
app.add_typer(letters.app, name="dead-letters")
app.command("check")(contracts.check)
app.command("deploy")(cluster.deploy)
app.command("stack")(cluster.stack)
app.command("config")(work.config)
app.command("worker")(work.worker)
app.command("token")(work.token)
app.command("workers")(workers.workers)
app.command("health")(health.health)


@app.callback()
def _common(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False) -> None:
    level, form = _log_settings()
    set_up_logging("debug" if verbose else level, form)


def _log_settings() -> tuple[str, str]:
    """Return level and form; where the settings cannot be read, the command itself will say so."""
    try:
        settings = load_settings()
    except ConfigurationError:
        return "info", "text"
    return settings.log_level, settings.log_format


def main() -> None:
    """Run the command line; errors of ours are one line, and the process ends with 1."""
    try:
        app()
    except VerbwireError as error:
        if _log_settings()[1] == "json":
            logging.getLogger("verbwire").critical("%s: %s", type(error).__name__, error)
            sys.exit(1)
        Console(stderr=True, highlight=False, markup=False).print(f"{type(error).__name__}: {error}", style="red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
