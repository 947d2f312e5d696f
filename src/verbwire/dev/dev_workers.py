"""The workers of ``verbwire dev``: started, started again when they end or their code changes, and stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from verbwire.dev.deployment import COMMAND_LINE
from verbwire.dev.log_tail import LogTail
from verbwire.embedded import Child, ProcessId, reap, stop
from verbwire.embedded.artifacts import cache_folder
from verbwire.embedded.ports import Ports
from verbwire.security.private_files import private_file, private_folder
from verbwire.settings import Settings

STOP_SECONDS = 12.0  # a worker ends itself within nine
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # before a worker that has ended by itself is started again
_LONG_LIVED = 60.0  # seconds after which its end is taken for the first


@dataclass
class DevWorker:
    """One worker: where it is reached, and its process as long as it runs."""

    name: str
    port: int
    log: Path
    tail: LogTail
    child: Child | None = None
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    due: float = field(default=float("inf"))  # when it is started again


class DevWorkers:
    """Runs workers of one project, each hosting the same groups. A context manager.

    Used by the main thread alone: on Linux its end, whatever the reason, is told to the workers as a SIGTERM.
    """

    def __init__(self, settings: Settings, count: int, groups: Sequence[str], verbose: bool) -> None:
        self._settings = settings
        self._groups = groups
        self._verbose = verbose
        self._ports = Ports(cache_folder() / "ports")
        folder = private_folder(settings.data_folder / "dev")
        self._record = folder / "workers.json"
        self._reap()
        self.all = [self._worker(folder, number) for number in range(1, count + 1)]

    def __enter__(self) -> DevWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as steps:
            steps.callback(self._ports.release)
            self.stop()

    def restart(self) -> None:
        """Stop those that run, and start all."""
        self.stop()
        for each in self.all:
            each.pause = _FIRST_PAUSE
            self._start(each)

    def stop(self) -> None:
        """Stop those that run; a Ctrl-C meanwhile makes it quicker."""
        running = [each.child for each in self.all if each.child is not None]
        try:
            stop(running, STOP_SECONDS)
        finally:
            for each in self.all:
                each.child, each.due = None, float("inf")

    def revive(self) -> list[str]:
        """Start again what has ended by itself, after a pause that grows; return what is to be said of it."""
        said = []
        for each in self.all:
            if each.child is not None and each.child.ended():
                said.append(self._ended(each))
            elif time.monotonic() >= each.due:
                self._start(each)
                said.append(f"{each.name} is started again")
        return said

    def _ended(self, worker: DevWorker) -> str:
        assert worker.child is not None  # noqa: S101 (asked by the caller)
        status = worker.child.status
        worker.child = None
        if time.monotonic() - worker.started > _LONG_LIVED:
            worker.pause = _FIRST_PAUSE
        worker.due = time.monotonic() + worker.pause
        said = (
            f"{worker.name} has ended ({_said(status)}), and is started again in {worker.pause:.0f} s: see {worker.log}"
        )
        worker.pause = min(2 * worker.pause, _LONGEST_PAUSE)
        return said

    def _start(self, worker: DevWorker) -> None:
        command = [*COMMAND_LINE, *(["--verbose"] if self._verbose else []), "worker", *self._groups]
        arguments = ["--name", worker.name, "--port", str(worker.port)]
        # Text, whatever the settings say: it is read by a person.
        environment = {**os.environ, "VERBWIRE_LOG_FORMAT": "text", "PYTHONUNBUFFERED": "1"}
        worker.child = Child(worker.name, [*command, *arguments], worker.log, environment, self._settings.root)
        worker.started, worker.due = time.monotonic(), float("inf")
        self._note()

    def _reap(self) -> None:
        """End what a killed one has left behind, where a system does not tell children of it."""
        with suppress(FileNotFoundError, msgspec.DecodeError):
            reap(msgspec.json.decode(self._record.read_bytes(), type=list[ProcessId]), STOP_SECONDS)

    def _note(self) -> None:
        running = [each.child.identity for each in self.all if each.child is not None]
        private_file(self._record).write_bytes(msgspec.json.encode(running))

    def _worker(self, folder: Path, number: int) -> DevWorker:
        wanted = self._settings.http_port
        port = self._ports.take([wanted + number - 1] if wanted else [])
        log = folder / f"worker-{number}.log"
        # Not the name of a worker that somebody starts by hand beside this one.
        name = f"{self._settings.worker.rstrip('*-')[:80]}-dev-{number}"
        return DevWorker(name, port, log, LogTail(log, self._verbose))


def _said(status: int | None) -> str:
    if status is not None and status < 0:
        return f"killed by signal {-status}"
    return f"status {status}"
