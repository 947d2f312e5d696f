"""``verbwire health``: whether the worker on this machine is ready, for supervisors and container health checks."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

import typer

from verbwire.security.hosts import WILDCARDS
from verbwire.settings import Settings, load_settings

_SECONDS = 4.0


def health(
    live: Annotated[
        bool, typer.Option("--live", help="Ask whether the process can recover, instead of whether it is ready.")
    ] = False,
    port: Annotated[int | None, typer.Option("--port", help="The worker's HTTP port (VERBWIRE_HTTP_PORT).")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long to wait for its answer.")] = _SECONDS,
) -> None:
    """Ask the worker on this machine whether it is ready; ends with 0 when it is, else with 1 and its reason.

    For the health check of a container: it needs no token, and ends within the time that is given.
    """
    url = _url(load_settings(flags={"http_port": port}), "live" if live else "ready")
    why = _asked(url, seconds)
    print("live" if live and not why else why or "ready")
    if why:
        raise typer.Exit(1)


def _url(settings: Settings, probe: str) -> str:
    host = settings.http_host
    if host in WILDCARDS:
        host = "127.0.0.1" if host != "::" else "::1"
    where = f"[{host}]" if ":" in host else host
    return f"{_scheme(settings)}://{where}:{settings.http_port}/health/{probe}"


def _scheme(settings: Settings) -> str:
    return "https" if settings.http_tls_certificate else "http"


def _asked(url: str, seconds: float) -> str | None:
    """Return why it is not so, None where it is."""
    if urlsplit(url).port == 0:
        return "the worker chose its port itself (http_port is 0): pass the one in its log, with --port"
    # Its own certificate names another host than the loopback's; who answers on this machine's port is no question.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return _reason(error.code, error.read(100_000))
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}"


def _reason(status: int, body: bytes) -> str:
    """Return what a problem (RFC 9457) says, with what is missing by group."""
    problem = {}
    with suppress(ValueError):
        problem = json.loads(body)
    if not isinstance(problem, dict):
        problem = {}
    groups = problem.get("groups")
    lines = [str(problem.get("detail") or f"HTTP {status}")]
    if isinstance(groups, dict):
        lines += [f"{name}: {'; '.join(why) if isinstance(why, list) else why}" for name, why in sorted(groups.items())]
    return "\n".join(lines)
