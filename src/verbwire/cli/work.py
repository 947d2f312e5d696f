"""``verbwire worker``, ``config``, ``token``: running things, and what one needs for it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as Listing

from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings

Groups = Annotated[list[str] | None, typer.Argument(help="Folders (consumers, streams) or groups; all by default.")]


def worker(
    groups: Groups = None,
    name: Annotated[str | None, typer.Option("--name", help="The worker's stable name (VERBWIRE_WORKER).")] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="HTTP port, 0 for a free one (VERBWIRE_HTTP_PORT).")
    ] = None,
    leave: Annotated[bool, typer.Option("--leave", help="On stop, leave the group: nobody comes back.")] = False,
) -> None:
    """Host aggregates and tables until SIGTERM or Ctrl-C, and serve the tables over HTTP.

    SIGUSR1 prints what all threads are at to stderr, and the worker goes on: for one that seems to hang.
    """
    from verbwire.project import load_project
    from verbwire.worker.run import run_worker

    project = load_project(load_settings(flags={"worker": name, "http_port": port}))
    run_worker(project, project.chosen(groups or []), leave)


def config() -> None:
    """Print each setting and where its value came from, and what writes and reads Avro here."""
    from verbwire.wire import compiled

    listing = Listing("setting", "value", "from", box=None)
    for row in load_settings().shown():
        listing.add_row(*row)
    Console().print(listing)
    print(compiled.told())


def token(
    scope: Annotated[list[str] | None, typer.Option("--scope", help="May be repeated.")] = None,
    actor: Annotated[str, typer.Option("--actor", help="Whom the token stands for.")] = "developer",
    minutes: Annotated[int, typer.Option("--minutes", help="How long it is valid.")] = 60,
) -> None:
    """Print a token signed with the development secret, for curl."""
    from verbwire.development import http_secret
    from verbwire.tokens import OPERATOR, mint_token

    settings = load_settings()
    secret = http_secret(settings)
    if secret is None:
        raise ConfigurationError("tokens come from your identity provider here (VERBWIRE_HTTP_JWKS_URL)")
    scopes, seconds = scope or [OPERATOR], minutes * 60
    print(mint_token(secret, actor, scopes, seconds, issuer=settings.http_issuer, audience=settings.http_audience))
