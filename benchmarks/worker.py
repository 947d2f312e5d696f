"""A real worker of the benchmarks' project, started, watched from outside, and killed."""

from __future__ import annotations

import secrets
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.cluster import environment, verbwire
from benchmarks.figures import Figure
from benchmarks.place import SHOP, Place
from verbwire.security.tokens import mint_token

DEADLINE = 300.0
_ASK_SECONDS = 0.02


class Worker:
    """Hosts one group, or several. A context manager: nothing runs on after it."""

    def __init__(self, place: Place, group: str, folder: Path, *more: str) -> None:
        self._group = group
        self._groups = (group, *more)
        self._secret = secrets.token_urlsafe(32)
        self._port = _free_port()
        self._log = folder / f"{group}.log"
        self._data = folder / group
        self._env = {
            **environment(place),
            "VERBWIRE_DATA": str(self._data),
            "VERBWIRE_HTTP_PORT": str(self._port),
            "VERBWIRE_HTTP_SECRET": self._secret,
        }
        self._process: psutil.Popen | None = None

    def __enter__(self) -> Self:
        with self._log.open("a") as log:
            self._process = psutil.Popen(
                [verbwire(), "-v", "worker", *self._groups, "--name", "bench"],
                cwd=SHOP,
                env=self._env,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Delete its data folder."""
        shutil.rmtree(self._data)

    def ready(self) -> bool:
        """Whether every partition answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health/ready", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def asked(self) -> list[str]:
        """Return its address, and tokens of two who may order: one alone may not have 256 commands under way."""
        tokens = [mint_token(self._secret, name, ["orders:write"]) for name in ("benchmark", "second-benchmark")]
        return [f"http://127.0.0.1:{self._port}", *tokens]

    def until(self, condition: Callable[[], bool], every: float = _ASK_SECONDS) -> None:
        """Wait for it; raises with the end of the worker's log when the worker dies, or takes too long."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert self._process
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the worker of {self._group} did not get there:\n{self._log.read_text()[-4000:]}")
            time.sleep(every)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process
        return int(self._process.pid)

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        assert self._process
        times = self._process.cpu_times()
        return float(times.user + times.system)


class Progress:
    """The offsets that a group has committed."""

    def __init__(self, place: Place, group: str, topic: str) -> None:
        # Not by AdminClient: librdkafka 2.16 dies of the question when it times out, see kafka/offsets.py.
        self._consumer = Consumer({"bootstrap.servers": place.bootstrap, "group.id": place.topic(group)})
        self._partitions = [TopicPartition(place.topic(topic), each) for each in range(place.partitions)]

    def committed(self) -> int:
        """Return how many records are dealt with."""
        return sum(max(0, each.offset) for each in self._consumer.committed(self._partitions, DEADLINE))


def follow(name: str, worker: Worker, progress: Progress, total: int) -> Figure:
    """Measure from the first committed batch to the last."""
    worker.until(worker.ready)
    worker.until(lambda: progress.committed() > 0)
    began, clock, cpu = progress.committed(), time.perf_counter(), worker.cpu()
    worker.until(lambda: progress.committed() >= total)
    seconds, used = time.perf_counter() - clock, worker.cpu() - cpu
    return Figure(name, total - began, seconds, used)


def start_up(worker: Worker) -> tuple[float, float]:
    """Start the worker and return the seconds, and its seconds of CPU, until every partition answers; then kill it."""
    began = time.perf_counter()
    with worker:
        worker.until(worker.ready, every=0.005)
        return time.perf_counter() - began, worker.cpu()


def _free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])
