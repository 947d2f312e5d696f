"""`verbwire dev` on a new project, as a process on a real Kafka: what is changed runs, and nothing is left behind."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.kit.cluster import Cluster, eventually
from verbwire.scaffolding.create import create_project
from verbwire.scaffolding.requirement import Requirement

pytestmark = pytest.mark.kafka

SECONDS = 90
DEV = (sys.executable, "-m", "verbwire", "dev")
ASK = """
from schemas.lights import SwitchOff
from verbwire.client import Client
with Client() as client:
    print(client.ask(SwitchOff(light_id="hall"), ttl=60).result(60))
"""


class DevRun:
    """A project of its own, and the `verbwire dev` that runs in it; its output is a file."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.root = folder / "home"
        create_project("home", self.root, Requirement("0"))
        self.environment = environment
        self._out = folder / "dev.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                DEV, cwd=self.root, env=self.environment, stdout=out, stderr=subprocess.STDOUT
            )
        return self.process

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def said(self, pattern: str, times: int = 1) -> bool:
        """Whether it has said so that often."""
        return len(re.findall(pattern, self._out.read_text("utf-8", "replace"))) >= times

    def await_said(self, pattern: str, times: int = 1) -> None:
        assert self.process is not None
        try:
            eventually(lambda: self.said(pattern, times), SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{pattern} was not said: {self._out.read_text('utf-8', 'replace')}") from error

    def workers(self) -> list[psutil.Process]:
        """Those of this project, whoever has started them."""
        return [each for each in psutil.process_iter(["cmdline"]) if self._is_worker(each)]

    def _is_worker(self, process: psutil.Process) -> bool:
        try:
            return "worker" in (process.info["cmdline"] or ()) and process.cwd() == str(self.root)
        except psutil.Error:
            return False


@pytest.fixture
def dev(cluster: Cluster, tmp_path: Path) -> Iterator[DevRun]:
    mine = {
        "VERBWIRE_BOOTSTRAP": cluster.bootstrap,
        "VERBWIRE_REGISTRY": cluster.registry_url,
        "VERBWIRE_PREFIX": f"t{uuid.uuid4().hex[:10]}",
        "VERBWIRE_PARTITIONS": "2",
        "VERBWIRE_HTTP_PORT": "0",
        "VERBWIRE_HTTP_SECRET": secrets.token_hex(32),
        "COLUMNS": "200",
    }
    running = DevRun(tmp_path, {**os.environ, **mine})
    yield running
    if running.process is not None:
        running.process.kill()
        running.process.wait()
    for each in running.workers():
        each.kill()


def test_dev_runs_what_is_changed_goes_on_while_it_is_wrong_and_leaves_nothing(dev: DevRun) -> None:
    process = dev.start()
    dev.await_said(r"-dev-1: ready")
    again = dev.run(*DEV, "--", "make", "demo")
    assert (again.returncode, again.stdout) == (1, "")
    assert f"in use by process {process.pid}: `verbwire dev` runs there already" in again.stderr
    assert "`make demo` finds its workers by itself" in again.stderr

    handlers = dev.root / "consumers" / "lights.py"
    right = handlers.read_text()
    handlers.write_text(right + "\ndef broken(:\n")
    dev.await_said(rf"{re.escape(str(handlers))}:{len(right.splitlines()) + 2}: error: cannot be imported")
    assert "light hall is off" in dev.run(sys.executable, "-c", ASK).stdout, "by the code that it was started with"
    dev.await_said(r"rejected: .* SwitchOff hall: already_off: light hall is off")
    assert not dev.said("are not shown any more")

    contract = dev.root / "schemas" / "lights" / "SwitchOff.avsc"
    contract.write_text(contract.read_text().replace('"already_off"', '"already_off", "no_power"'))
    handlers.write_text(right.replace('Rejected("already_off", ', 'Rejected("no_power", '))
    dev.await_said(r"deployed 0 topics and 1 schemas")
    dev.await_said(r"workers started again after")
    assert "no_power" in dev.run(sys.executable, "-c", ASK).stdout

    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 130
    assert dev.workers() == []
    assert not dev.said("Traceback")


@pytest.mark.chaos
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_dev_runs_a_command_and_ends_with_it_and_workers_end_with_a_killed_one(dev: DevRun) -> None:
    ended = dev.run(*DEV, "--", sys.executable, "-c", f"{ASK}\nraise SystemExit(7)")
    assert ended.returncode == 7, ended.stderr
    assert "Rejected(code='already_off'" in ended.stdout
    assert dev.workers() == []

    process = dev.start()
    (worker,) = eventually(dev.workers, SECONDS)
    worker.kill()
    dev.await_said(r"-dev-1 has ended \(killed by signal 9\), and is started again in 1 s")
    assert eventually(dev.workers, SECONDS) != [worker]
    process.kill()
    process.wait()
    eventually(lambda: not dev.workers(), SECONDS)
