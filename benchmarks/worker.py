"""A real worker of the benchmarks' project, started, watched from outside, and killed."""

from __future__ import annotations

import secrets
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.cluster import environment, verbwire
from benchmarks.figures import Figure
from benchmarks.place import SHOP, Place
from verbwire.security.tokens import mint_token

DEADLINE = 180.0
SLOWEST = 5_000  # records a second, that nothing is slower than
_SECRET = secrets.token_urlsafe(32)  # of all workers of this run: they forward to each other
_ASK_SECONDS = 0.02


class Worker:
    """Hosts one group, or several. A context manager: nothing runs on after it."""

    def __init__(self, place: Place, group: str, folder: Path, *more: str, name: str = "bench") -> None:
        self._group = group
        self._groups = (group, *more)
        self._name = name
        self._port = free_port()
        self._log = folder / f"{name}-{group}.log"
        self._data = folder / f"{name}-{group}"
        self._env = {
            **environment(place),
            "VERBWIRE_DATA": str(self._data),
            "VERBWIRE_HTTP_PORT": str(self._port),
            "VERBWIRE_HTTP_SECRET": _SECRET,
            "VERBWIRE_HTTP_OPEN": "metrics",
            "VERBWIRE_HTTP_COMMAND_RATE": "0",
            "VERBWIRE_HTTP_QUESTION_RATE": "0",
        }
        self._process: psutil.Popen | None = None

    def __enter__(self) -> Self:
        with self._log.open("a") as log:
            self._process = psutil.Popen(
                [verbwire(), "-v", "worker", *self._groups, "--name", self._name],
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
        shutil.rmtree(self._data, ignore_errors=True)

    def kept(self) -> int:
        """Return the bytes of its data folder."""
        return sum(each.stat().st_blocks * 512 for each in self._data.rglob("*") if each.is_file())

    def ready(self) -> bool:
        """Whether every partition answers."""
        return answers(self.url, "", "/health/ready")

    def metric(self, name: str, label: str = "") -> float:
        """Return the sum of a metric over its labels, of those with this one; 0 where HTTP does not answer yet."""
        try:
            text = body(self.url, "", "/metrics").decode()
        except OSError:
            return 0.0
        lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(value) for labels, _, value in lines if label in labels)

    def asked(self) -> list[str]:
        """Return its address, and tokens of two who may order: one alone may not have 256 commands under way."""
        return [self.url, *map(self.token, ("benchmark", "second-benchmark"))]

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it runs with: of a project's other processes, too."""
        return self._env

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def token(self, name: str = "benchmark") -> str:
        """Return a token of somebody who may order."""
        return mint_token(_SECRET, name, ["orders:write"])

    def until(self, condition: Callable[[], bool], every: float = _ASK_SECONDS, records: int = 0) -> None:
        """Wait for it; raises with the end of the worker's log when it dies, or takes too long for so many records."""
        deadline = time.monotonic() + DEADLINE + records / SLOWEST
        while not condition():
            assert self._process
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the worker of {self._group} did not get there:\n{self._log.read_text()[-4000:]}")
            time.sleep(every)

    @property
    def process(self) -> psutil.Process:
        """Its process."""
        assert self._process
        return self._process

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        return cpu_of(self.process)


class Measured(Protocol):
    """A process whose progress is watched from outside."""

    def until(self, condition: Callable[[], bool], every: float = ..., records: int = ...) -> None:
        """Wait for a condition; raises where the process dies before."""

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""


class Progress:
    """The offsets that a group has committed."""

    def __init__(self, place: Place, group: str, topic: str) -> None:
        # Not by AdminClient: librdkafka 2.16 dies of the question when it times out, see kafka/offsets.py.
        # Of what is committed alone it would wait for the transaction under way, and under load there always is one.
        uncommitted = {"isolation.level": "read_uncommitted"}
        self._consumer = Consumer({"bootstrap.servers": place.bootstrap, "group.id": place.topic(group), **uncommitted})
        self._partitions = [TopicPartition(place.topic(topic), each) for each in range(place.partitions)]

    def committed(self) -> int:
        """Return how many records are dealt with."""
        return sum(max(0, each.offset) for each in self._consumer.committed(self._partitions, DEADLINE))

    def reached(self, total: int) -> bool:
        """Whether so many are."""
        return self.committed() >= total


def follow(name: str, worker: Measured, progress: Progress, total: int) -> Figure:
    """Measure from the first committed batch to the last; whoever waited for readiness might find all of it done."""
    worker.until(lambda: progress.committed() > 0)
    began, clock, cpu = progress.committed(), time.perf_counter(), worker.cpu()
    if began >= total:
        raise RuntimeError("all of it was done before it could be measured: take more records")
    worker.until(partial(progress.reached, total), records=total)
    seconds, used = time.perf_counter() - clock, worker.cpu() - cpu
    return Figure(name, total - began, seconds, used)


def restored(name: str, worker: Worker, rows: int) -> Figure:
    """Start the worker and measure from the first rows that it has restored until every partition answers."""
    with worker:
        worker.until(lambda: worker.metric("verbwire_restore_rows_total") > 0, every=0.005)
        clock, cpu, before = time.perf_counter(), worker.cpu(), worker.metric("verbwire_restore_rows_total")
        worker.until(worker.ready, every=0.02, records=rows)
        seconds, used = time.perf_counter() - clock, worker.cpu() - cpu
    return Figure(name, rows - round(before), seconds, used)


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def body(url: str, token: str, target: str) -> bytes:
    """Return what is answered; OSError where it is refused."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url + target, headers=headers)  # noqa: S310 (an address of a worker of ours)
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 (the same)
        return bytes(answer.read())


def answers(url: str, token: str, target: str) -> bool:
    """Whether something is answered with 200."""
    try:
        body(url, token, target)
    except OSError:
        return False
    return True


def until(condition: Callable[[], bool], every: float = _ASK_SECONDS) -> None:
    """Wait for it; raises when that takes too long."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {DEADLINE:.0f} s")
        time.sleep(every)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])
