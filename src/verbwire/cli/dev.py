"""``verbwire dev``: a project under development in one terminal."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from verbwire.settings import load_settings


def dev(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Run this once the workers are ready, and end with it, instead of watching."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=9, help="How many; each hosts the same groups.")] = 1,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="A folder or group to host; may be repeated. Default: all.")
    ] = None,
) -> None:
    """Start Kafka (unless the settings name one), deploy, and run workers, until Ctrl-C or until a command has ended.

    When contracts, code or settings change the project is checked, deployed, and the workers are started again; where
    the check finds errors they are shown, and the workers go on as they were.

    Examples: verbwire dev --workers 2

    verbwire dev -- python -m producers.demo
    """
    from verbwire.dev.session import DevOptions, run_dev

    options = DevOptions(workers, group or (), verbose=logging.getLogger("verbwire").level <= logging.DEBUG)
    sys.exit(run_dev(load_settings(), options, command or ()))
