"""``verbwire schemas generate`` and ``verbwire check``: contracts and the code that claims to follow them."""
from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Contracts and their generated classes.")


@app.command()
def generate() -> None:
    """Write the typed classes beside the schemas."""


@app.command("list")
def _list() -> None:
    """List the contracts."""


def check() -> None:
    """Check contracts, classes and declarations."""
