"""A small project in a folder, and its workers as processes of their own, started as a user starts them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import verbwire
from tests.kit.bank import SAMPLES, Bank
from tests.kit.cluster import Cluster, eventually
from verbwire.names import Names
from verbwire.security.tokens import OPERATOR, mint_token

SECRET = "x" * 32  # of tests
START_SECONDS = 40.0
CONSUMERS = """
from schemas.jars import CoinsPut, JarState, PutCoins
from verbwire import Aggregate, Rejected

jars = Aggregate("bank.jars", state=JarState)

@jars.handles
def put(command: PutCoins, jar: JarState | None) -> CoinsPut | Rejected:
    if command.pence < 1:
        return Rejected("jar_full")
    return CoinsPut(jar_id=command.jar_id, pence=command.pence, how=command.how)

@jars.applies
def coins_put(jar: JarState | None, event: CoinsPut) -> JarState:
    return JarState(jar_id=event.jar_id, pence=(jar.pence if jar else 0) + event.pence)
"""
REST = """
from schemas.jars import DustJar, JarShaken, SealJar, ShakeJar, TakeCoins
from verbwire import Rejected

@jars.handles
def take(command: TakeCoins, jar: JarState | None) -> Rejected:
    return Rejected("not_enough")

@jars.handles
def seal(command: SealJar, jar: JarState | None) -> Rejected:
    return Rejected("sealed_already")

@jars.handles
def shake(command: ShakeJar, jar: JarState | None) -> JarShaken:
    return JarShaken(jar_id=command.jar_id)

@jars.handles
def dust(command: DustJar, jar: JarState | None) -> JarShaken:
    return JarShaken(jar_id=command.jar_id)

@jars.applies
def shaken(jar: JarState | None, event: JarShaken) -> JarState:
    return jar or JarState(jar_id=event.jar_id)
"""
"""The other commands of the bank, without which it cannot be deployed."""
CONSUMERS += REST
TELLER = """
import time

from schemas.jars import CoinsPut, CoinsTaken, JarSeal, JarShaken, JarState, PutCoins, SealJar, ShakeJar, TakeCoins
from verbwire import Aggregate, Rejected

jars = Aggregate("bank.jars", state=JarState)

@jars.handles
def put(command: PutCoins, jar: JarState | None) -> CoinsPut | Rejected:
    if command.how == "raises":
        raise RuntimeError("a secret of somebody's")
    if command.how == "slow":
        time.sleep(1)
    if command.pence < 1:
        return Rejected("jar_full", "no coin fits", {"room": "0"})
    return CoinsPut(jar_id=command.jar_id, pence=command.pence, how=command.how)

@jars.handles
def take(command: TakeCoins, jar: JarState | None) -> CoinsTaken:
    return CoinsTaken(jar_id=command.jar_id, pence=command.pence)

@jars.handles
def seal(command: SealJar, jar: JarState | None) -> JarSeal:
    return JarSeal(jar_id=command.jar_id, number=7, text="Zwölf")

@jars.handles
def shake(command: ShakeJar, jar: JarState | None) -> JarShaken:
    return JarShaken(jar_id=command.jar_id)

@jars.applies
def shaken(jar: JarState | None, event: JarShaken) -> JarState:
    return jar or JarState(jar_id=event.jar_id)

@jars.applies
def coins_put(jar: JarState | None, event: CoinsPut) -> JarState:
    return JarState(jar_id=event.jar_id, pence=event.pence)

@jars.applies
def coins_taken(jar: JarState | None, event: CoinsTaken) -> JarState:
    return JarState(jar_id=event.jar_id, pence=0)
"""
DUSTER = """
from schemas.jars import DustJar

@jars.handles
def dust(command: DustJar, jar: JarState | None) -> JarShaken:
    return JarShaken(jar_id=command.jar_id)
"""
"""What a teller leaves undone."""
STREAMS = """
from schemas.jars import CoinsPut, JarRow
from verbwire import Table

jars = Table("bank.jars", row=JarRow, index=["pence"], parking=None)

@jars.on
def coins_put(row: JarRow | None, event: CoinsPut) -> JarRow:
    if event.how == "raises":
        raise RuntimeError("no such jar")
    return JarRow(jar_id=event.jar_id, pence=(row.pence if row else 0) + event.pence)
"""
_CLI = ("-c", "from verbwire.cli import main; main()")
_LISTENS = re.compile(r"HTTP on 127\.0\.0\.1:(\d+)")


class Running:
    """One worker process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def said(self) -> str:
        """What it has written."""
        return self.log.read_text("utf-8", "replace")

    def until(self, condition: Any, seconds: float = START_SECONDS) -> Any:
        """Wait for a condition while the process lives; its log is told when it does not come."""

        def asked() -> Any:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said()[-3000:]}"
            return condition()

        try:
            return eventually(asked, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()[-3000:]}") from error

    def url(self) -> str:
        """Where it answers, as it says in its log."""
        found = self.until(lambda: _LISTENS.search(self.said()))
        return f"http://127.0.0.1:{found[1]}"

    def get(self, path: str, scopes: tuple[str, ...] = (OPERATOR,)) -> tuple[int, Any]:
        """Ask it, with a token of these scopes; status and body, decoded where it is JSON."""
        token = mint_token(SECRET, "tester", scopes)
        url, headers = self.url() + path, {"Authorization": f"Bearer {token}"}
        try:
            request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the worker's own address)
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (likewise)
                return answer.status, _body(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _body(error)

    def ready(self) -> Running:
        """Wait until it answers for all it owns."""
        self.until(lambda: self.get("/health/ready")[0] == 200)
        return self

    def rows(self) -> dict[str, int] | None:
        """What is in the jars, as HTTP tells it; None while partitions start over."""
        status, body = self.get("/tables/bank.jars?page_size=1000")
        return {row["jar_id"]: row["pence"] for row in body["rows"]} if status == 200 else None

    def has(self, rows: dict[str, int]) -> None:
        """Wait until the table is this, and nothing else."""
        self.until(lambda: self.rows() == rows)

    def ends(self, number: signal.Signals | None, seconds: float) -> tuple[int, float]:
        """Send it a signal, or just wait; how it ended, and after how many seconds."""
        began = time.monotonic()
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(seconds), time.monotonic() - began


def _body(answer: Any) -> Any:
    data = answer.read()
    return msgspec.json.decode(data) if "json" in answer.headers.get("Content-Type", "") else data.decode()


def limited(files: str) -> tuple[str, ...]:
    """What stands before a command that may have so many files open, and no more; nothing where `files` is empty."""
    return ("sh", "-c", f'ulimit -n {files} && exec "$@"', "sh") if files else ()


class ProjectFolder:
    """A project's folder and what it takes to run it there."""

    run_seconds = START_SECONDS  # of a command, until it is given up

    def __init__(self, folder: Path, cluster: Cluster, names: Names) -> None:
        self.folder = folder
        self.environment = {
            "VERBWIRE_BOOTSTRAP": cluster.bootstrap,
            "VERBWIRE_REGISTRY": cluster.registry_url,
            "VERBWIRE_PREFIX": names.prefix,
            "VERBWIRE_HTTP_SECRET": SECRET,
            "VERBWIRE_HTTP_PORT": "0",
        }
        self._running: list[Running] = []
        shutil.copytree(SAMPLES, folder / "schemas")
        self.write("pyproject.toml", '[tool.verbwire]\nproject = "bank"\n')
        self.write("consumers/jars.py", CONSUMERS)
        self.write("streams/jars.py", STREAMS)

    def write(self, file: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / file).write_text(text, "utf-8")

    def start(self, *arguments: str, name: str = "w1", files: str = "", **environment: str) -> Running:
        """Run ``verbwire worker`` in the project's folder; `files` is how many it may have open, where that is said."""
        log = self.folder / f"{name}-{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*limited(files), sys.executable, *_CLI, "-v", "worker", *arguments, "--name", name],
                cwd=self.folder,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._running.append(Running(process, log))
        return self._running[-1]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            [sys.executable, *_CLI, *arguments],
            cwd=self.folder,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.run_seconds,
            check=False,
        )

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VERBWIRE_")}
        tested = str(Path(verbwire.__file__).parents[1])  # this very source, not one that is installed
        return {**clean, "PYTHONPATH": tested, **self.environment, "COLUMNS": "1000", **more}

    def kill(self) -> None:
        """Leave no process behind."""
        for running in self._running:
            if running.process.poll() is None:
                running.process.kill()
            running.process.wait()


class Branch(ProjectFolder):
    """A project on the bank's topics."""

    def __init__(self, folder: Path, bank: Bank) -> None:
        super().__init__(folder, bank.cluster, bank.names)
        self.bank = bank


@contextmanager
def branch(folder: Path, bank: Bank) -> Iterator[Branch]:
    """A project in `folder`; its processes end with the block."""
    opened = Branch(folder, bank)
    try:
        yield opened
    finally:
        opened.kill()
