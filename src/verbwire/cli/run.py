"""``verbwire worker``, ``config``, ``token``: runs a worker, prints settings, mints tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from verbwire.cli.output import AsJson, print_json, print_table, print_text
from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings

Groups = Annotated[list[str] | None, typer.Argument(help="Folders (consumers, streams) or groups; all by default.")]


def worker(
    groups: Groups = None,
    name: Annotated[str | None, typer.Option("--name", help="The worker's stable name (VERBWIRE_WORKER).")] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="HTTP port, 0 for a free one (VERBWIRE_HTTP_PORT).")
    ] = None,
    leave: Annotated[
        bool,
        typer.Option(
            "--leave",
            help="On stop, leave the consumer group at once, instead of waiting for a restart under the same name.",
        ),
    ] = False,
) -> None:
    """Host aggregates and tables until SIGTERM or Ctrl-C, and serve the tables over HTTP.

    SIGUSR1 prints the stacks of all threads to stderr, and the worker goes on: for one that seems to hang.
    """
    from verbwire.project import load_project
    from verbwire.worker.run import run_worker

    project = load_project(load_settings(flags={"worker": name, "http_port": port}))
    run_worker(project, project.chosen(groups or []), leave)


def config(as_json: AsJson = False) -> None:
    """Print each setting and where its value came from, secrets masked, and which codec reads and writes Avro here."""
    from verbwire.wire.avro import compiled

    columns, rows = ("setting", "value", "from"), load_settings().shown()
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
        print_text(compiled.told())


def token(
    scope: Annotated[list[str] | None, typer.Option("--scope", help="May be repeated.")] = None,
    actor: Annotated[str, typer.Option("--actor", help="The actor that the token stands for.")] = "developer",
    minutes: Annotated[int | None, typer.Option("--minutes", min=1, help="How long it is valid: 60.")] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="The same in days, for a scraper of metrics.")
    ] = None,
) -> None:
    """Print a token signed with the development secret, for curl, with the scopes given here and no others.

    verbwire:operator may read everything of a worker; verbwire:metrics reads /metrics, and nothing else.
    """
    from verbwire.secrets import http_secret
    from verbwire.security.tokens import mint_token

    if minutes is not None and days is not None:
        raise ConfigurationError("give one of --minutes and --days")

    settings = load_settings()
    secret = http_secret(settings)
    if secret is None:
        raise ConfigurationError("tokens come from your identity provider here (VERBWIRE_HTTP_JWKS_URL)")
    seconds = days * 86_400 if days is not None else (minutes or 60) * 60
    print(mint_token(secret, actor, scope or [], seconds, issuer=settings.http_issuer, audience=settings.http_audience))
