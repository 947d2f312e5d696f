"""Runs the demo's two worker processes by verbwire's own command line."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from producers.demo.tables import Tables
from verbwire.embedded import Child, ProcessId, reap, stop
from verbwire.errors import ConfigurationError, StackError
from verbwire.project import Settings
from verbwire.tokens import OPERATOR, development_token

# The one whose tables people want to see gets the usual port.
FOLDERS = ("streams", "consumers")
# What its token may: look at tables, ask and order on anybody's behalf.
SCOPES = (OPERATOR, "carts:read", "orders:write", "orders:all", "accounts:all", "sales:read")
READY_SECONDS = 90.0
STOP_SECONDS = 15.0
_REAP_SECONDS = 2.0
_TOKEN_SECONDS = 12 * 3600

_VERBWIRE = str(Path(sys.executable).with_name("verbwire"))


def deploy(settings: Settings) -> str:
    """Run ``verbwire deploy`` and return what it says, in short. Raises :class:`StackError` when it fails."""
    ran = subprocess.run(  # noqa: S603 (our own command line)
        [_VERBWIRE, "deploy"], cwd=settings.root, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise StackError(f"`verbwire deploy` failed:\n{ran.stderr or ran.stdout}")
    said = ran.stdout.strip().splitlines()
    created, registered = (sum(line.startswith(verb) for line in said) for verb in ("created", "registered"))
    if created + registered == 0:
        return "\n".join(said)
    return f"created {created} topics, registered {registered} schemas, see `verbwire deploy`"


class Workers:
    """Runs one worker for each folder; a context manager that stops them by SIGTERM."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: list[Child] = []
        self._tables: dict[str, Tables] = {}

    @property
    def tables(self) -> Mapping[str, Tables]:
        """For each folder, the HTTP of its worker."""
        return self._tables

    def __enter__(self) -> Self:
        token = development_token(self._settings, "demo", SCOPES, _TOKEN_SECONDS)
        logs = self._settings.data_folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        # A demo that was killed could not stop its workers; without their broker they may take a minute to end.
        record = logs / "workers.json"
        if record.exists():
            reap(msgspec.json.decode(record.read_bytes(), type=list[ProcessId]), _REAP_SECONDS)
        taken: list[int] = []
        for folder in FOLDERS:
            port = _free_port(self._settings.http_host, self._settings.http_port + len(taken), taken)
            taken.append(port)
            command = [_VERBWIRE, "worker", folder, "--name", folder, "--port", str(port)]
            log = logs / f"{folder}.log"
            self._children.append(Child(f"the worker of {folder}", command, log, folder=self._settings.root))
            self._tables[folder] = Tables(self._settings.http_host, port, token)
            record.write_bytes(msgspec.json.encode([child.identity for child in self._children]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self._children, STOP_SECONDS)

    def wait_until_ready(self) -> None:
        """Return once every worker says so; raises :class:`StackError` with a log's end when one does not."""
        until = time.monotonic() + READY_SECONDS
        while not all(tables.ready() for tables in self._tables.values()):
            self.require_alive()
            if time.monotonic() > until:
                late = [i for i, tables in enumerate(self._tables.values()) if not tables.ready()]
                raise self._children[late[0] if late else 0].failure(f"was not ready after {READY_SECONDS:.0f} seconds")
            time.sleep(0.1)

    def require_alive(self) -> None:
        """Raise :class:`StackError`, with its log's end, if a worker has ended."""
        for child in self._children:
            if child.ended():
                raise child.failure("ended before the demo did")


def _free_port(host: str, wanted: int, taken: list[int]) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                probe.listen()
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            if found not in taken:
                return found
    raise ConfigurationError(f"no port is free on {host} (VERBWIRE_HTTP_HOST)")
