"""The command line: ``verbwire --help``. Thin: each command calls one function of the library.

Read `run` first.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from verbwire.cli import (
    acls,
    ask,
    cluster,
    contracts,
    dead_letters,
    describe,
    dev,
    doctor,
    grants,
    health,
    lag,
    log,
    new,
    parked,
    processes,
    query,
    rebuild,
    run,
    scheduled,
    send,
    status,
    tables,
    tail,
    topology,
    trace,
    why,
    workers,
)
from verbwire.cli.examples import add_examples
from verbwire.cli.exit_codes import exit_of
from verbwire.cli.output import print_error, write_what_the_terminal_takes
from verbwire.errors import ConfigurationError, VerbwireError
from verbwire.observability.logs import is_json, set_up_logging
from verbwire.settings import ROOT, load_settings

_CTRL_C = 130

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # frames and colours do not belong into a pipe, and cut what they frame
    help="Commands, events and queries on Kafka.",
)
app.add_typer(contracts.app, name="schemas")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(parked.app, name="parked")
app.command("new")(new.new)
app.command("dev")(dev.dev)
app.command("check")(contracts.check)
app.command("deploy")(cluster.deploy)
app.command("acls")(acls.acls)
app.command("grant-key")(grants.grant_key)
app.command("stack")(cluster.stack)
app.command("config")(run.config)
app.command("worker")(run.worker)
app.command("token")(run.token)
app.command("workers")(workers.workers)
app.command("workers-key")(workers.workers_key)
app.command("health")(health.health)
app.command("topology")(topology.topology)
app.command("status")(status.status)
app.add_typer(processes.app, name="processes")
app.add_typer(scheduled.app, name="scheduled")
app.command()(scheduled.schedules)
app.command("tables")(tables.tables)
app.command("rebuild")(rebuild.rebuild)
app.command("doctor")(doctor.doctor)
app.command("lag")(lag.lag)
app.command("describe")(describe.describe)
app.command("tail")(tail.tail)
app.command("log")(log.log)
app.command("trace")(trace.trace)
app.command("why")(why.why)
app.command("send")(send.send)
app.command("ask")(ask.ask)
app.command("publish")(send.publish)
app.command("query")(query.query)

add_examples(app)


def _print_version(asked: bool) -> None:
    if asked:
        print(metadata.version("verbwire"))
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: ARG001 (answered by its callback)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
    root: Annotated[
        Path | None,
        typer.Option("--root", envvar=ROOT, help="The project's folder; default: the one around the working folder."),
    ] = None,
) -> None:
    if root is not None:
        os.environ[ROOT] = str(root)  # where settings look, in this process and in those that it starts
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
    """Run the command line; print our errors as one line; exit with :class:`~verbwire.cli.exit_codes.Exit`."""
    write_what_the_terminal_takes()
    try:
        app(prog_name="verbwire")
    except VerbwireError as error:
        if is_json():
            logging.getLogger("verbwire").critical("%s: %s", type(error).__name__, error)
        else:
            print_error(f"{type(error).__name__}: {error}")
        sys.exit(exit_of(error))
    except KeyboardInterrupt:
        sys.exit(_CTRL_C)
