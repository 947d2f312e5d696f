"""The command line: ``verbwire --help``. Thin: each command calls one function of the library."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.console import Console

from verbwire.cli import acls, cluster, contracts, grants, letters, work, workers
from verbwire.errors import VerbwireError

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
app.command("acls")(acls.acls)
app.command("grant-key")(grants.grant_key)
app.command("stack")(cluster.stack)
app.command("config")(work.config)
app.command("worker")(work.worker)
app.command("token")(work.token)
app.command("workers")(workers.workers)


@app.callback()
def _common(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False) -> None:
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("verbwire").setLevel(logging.DEBUG if verbose else logging.INFO)


def main() -> None:
    """Run the command line; errors of ours are one line, and the process ends with 1."""
    try:
        app()
    except VerbwireError as error:
        Console(stderr=True, highlight=False, markup=False).print(f"{type(error).__name__}: {error}", style="red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
