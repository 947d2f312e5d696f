"""A shop under load on a real cluster: workers as processes of their own that can be killed, stopped and woken.

Nothing here sleeps for luck: every wait has a condition and a deadline. What was done and what was seen stands as JSON
lines in `history.jsonl` beside the workers' logs, for whoever has to find out later.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException

from tests.faults.topics import Topics
from tests.kit.cluster import Cluster, eventually
from tests.kit.worker import limited
from verbwire.contracts.schema.load import load_catalog
from verbwire.deploy.deployment import deploy
from verbwire.deploy.group_plan import GroupPlan
from verbwire.deploy.target import Target
from verbwire.messages import Kind
from verbwire.names import Names

ROOT = Path(__file__).parents[2]
AGGREGATE, TABLE = "shop.carts.aggregate", "shop.carts"
INPUTS = {AGGREGATE: "shop.carts.commands", TABLE: "shop.carts.events"}
EVENTS = INPUTS[TABLE]
GROUPS = (
    GroupPlan(AGGREGATE, Kind.COMMAND, ("shop.carts",), ("state",)),
    GroupPlan(TABLE, Kind.EVENT, ("shop.carts",), ("carts",), heeds=True, parks=True),
)
PARTITIONS = 4
START_SECONDS = 30.0
_CLI = ("-c", "from verbwire.cli import main; main()")


class Worker:
    """One worker process under a stable name."""

    def __init__(
        self, name: str, arguments: list[str], process: subprocess.Popen[bytes], log: Path, said_before: int
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.process = process
        self.log = log
        self._said_before = said_before  # bytes, by its predecessors

    def hears(self) -> bool:
        """Whether it is past the start of Python, which dies of a signal that a worker ends well by; or has ended."""
        return self.log.stat().st_size > self._said_before or self.ended() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self.process.poll()

    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])


class Shop:
    """Carts under one prefix: topics, workers, history. Ends its processes when it is left."""

    def __init__(self, cluster: Cluster, prefix: str, folder: Path) -> None:
        self.cluster = cluster
        self.prefix = prefix
        self.folder = folder
        self.partitions = PARTITIONS
        self.names = Names("shop", prefix)
        self.catalog = load_catalog(ROOT / "schemas")
        self.topics = Topics(cluster.bootstrap, cluster.registry_url)
        self.workers: dict[str, Worker] = {}
        self._history = (folder / "history.jsonl").open("a", buffering=1)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            if worker.ended() is None:
                worker.process.kill()
            worker.process.wait()
        self._history.close()

    @property
    def tables(self) -> Path:
        """The folder of the local copies."""
        return self.folder / "data" / "tables"

    def note(self, event: str, **facts: Any) -> float:
        """Write a line of history; return its time."""
        now = time.time()
        with self._lock:
            self._history.write(json.dumps({"t": round(now, 3), "event": event, **facts}) + "\n")
        return now

    def deploy(self, *more: GroupPlan) -> None:
        """Create topics and schemas."""
        target = Target(self.cluster.bootstrap, self.cluster.registry_url, self.names, partitions=PARTITIONS)
        deploy(target, self.catalog, [*GROUPS, *more])

    # -- workers

    def start(
        self,
        name: str,
        *groups: str,
        planted: str = "",
        leave: bool = False,
        environment: Mapping[str, str] | None = None,
        root: Path | None = None,
        files: str = "",
    ) -> Worker:
        """Start a worker of this name on the project in `root`, by default for both groups of carts.

        A predecessor of it must have ended. `files` is how many it may have open, where that is said.
        """
        launcher = ("-m", "tests.faults.planted", planted) if planted else _CLI
        options = ["--leave"] if leave else []
        return self._run(
            name,
            [*launcher, "-v", "worker", *(groups or (AGGREGATE, TABLE)), "--name", name, *options],
            environment or {},
            root or ROOT,
            limited(files),
        )

    def start_again(self, name: str) -> Worker:
        """Start a worker that has ended the way it was started, but for its environment."""
        return self._run(name, self.workers[name].arguments, {}, ROOT)

    def _run(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str],
        root: Path,
        before: tuple[str, ...] = (),
    ) -> Worker:
        assert name not in self.workers or self.workers[name].ended() is not None, f"{name} runs already"
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            said_before = output.tell()
            process = subprocess.Popen(
                [*before, sys.executable, *arguments],
                cwd=root,
                env={**os.environ, **self.environment(), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.workers[name] = Worker(name, arguments, process, log, said_before)
        self.note("start", worker=name, pid=process.pid, arguments=arguments[-4:], environment=environment)
        return self.workers[name]

    def environment(self) -> dict[str, str]:
        """What makes a process of this project take part."""
        return {
            "VERBWIRE_BOOTSTRAP": self.cluster.bootstrap,
            "VERBWIRE_REGISTRY": self.cluster.registry_url,
            "VERBWIRE_PREFIX": self.prefix,
            "VERBWIRE_DATA": str(self.folder / "data"),
            "VERBWIRE_HTTP_PORT": "0",
            "VERBWIRE_HTTP_SECRET": "a-secret-for-tests-that-nobody-needs",
            "PYTHONPATH": str(ROOT / "src"),
        }

    def kill(self, name: str) -> float:
        """`kill -9`; return when."""
        self.workers[name].signal(signal.SIGKILL)
        when = self.note("kill", worker=name)
        self.workers[name].process.wait()
        return when

    def wait_for_death(self, name: str, seconds: float = START_SECONDS) -> None:
        """Wait until a worker has died of SIGKILL at its crash point."""
        worker = self.workers[name]
        code = eventually(lambda: worker.ended() is not None and (worker.ended(),), seconds)
        self.note("died", worker=name, code=worker.ended())
        assert code == (-signal.SIGKILL,), f"{name} ended with {worker.ended()}:\n{worker.last_lines()}"

    def stop(self, *names: str, seconds: float = 20.0) -> None:
        """SIGTERM, and a clean end of each."""
        stopping = [self.workers[name] for name in names or self.workers if self.workers[name].ended() is None]
        for worker in stopping:
            eventually(worker.hears, START_SECONDS)
            worker.signal(signal.SIGTERM)
            self.note("term", worker=worker.name)
        for worker in stopping:
            code = worker.process.wait(seconds)
            self.note("ended", worker=worker.name, code=code)
            assert code == 0, f"{worker.name} ended with {code}:\n{worker.last_lines()}"

    def none_has_given_up(self) -> None:
        """Fail when a worker that should run has ended."""
        for worker in self.workers.values():
            assert worker.ended() in (None, 0, -signal.SIGKILL), f"{worker.name} gave up:\n{worker.last_lines()}"

    # -- what the cluster says

    def owners(self, group: str) -> dict[str, set[int]]:
        """Return the inputs' partitions of each member that has a name and partitions."""
        name, topic = f"{self.prefix}.{group}", f"{self.prefix}.{INPUTS[group]}"
        answer = self.topics.admin.describe_consumer_groups([name], request_timeout=10)[name]
        try:
            members = answer.result().members
        except KafkaException:
            return {}
        found: dict[str, set[int]] = {}
        for member in members:
            if member.assignment:
                mine = {each.partition for each in member.assignment.topic_partitions if each.topic == topic}
                found[member.group_instance_id or member.member_id] = mine
        return found

    def coordinator(self, group: str) -> int:
        """Return the number of the Kafka node that coordinates the group."""
        name = f"{self.prefix}.{group}"
        answer = self.topics.admin.describe_consumer_groups([name], request_timeout=10)[name]
        return int(answer.result().coordinator.id)

    def committed(self, group: str) -> dict[int, tuple[int, str]]:
        """Return offset and worker of each partition; empty while a transaction is open on one."""
        try:
            return self.topics.committed(f"{self.prefix}.{group}", f"{self.prefix}.{INPUTS.get(group, EVENTS)}")
        except KafkaException:
            return {}

    def drained(self, group: str, seconds: float = 60.0) -> None:
        """Wait until the group has dealt with everything that is in its input now."""
        last = self.topics.last_offsets(f"{self.prefix}.{INPUTS.get(group, EVENTS)}")

        def done() -> bool:
            self.none_has_given_up()
            committed = self.committed(group)
            return all(committed.get(partition, (0, ""))[0] > offset for partition, offset in last.items())

        eventually(done, seconds, every=0.1)
        self.note("drained", group=group, committed=self.committed(group))

    def all_drained(self, seconds: float = 60.0) -> None:
        """Wait until every command is decided, and every event in the table."""
        self.drained(AGGREGATE, seconds)
        self.drained(TABLE, seconds)


@contextmanager
def shop(cluster: Cluster, prefix: str, folder: Path) -> Iterator[Shop]:
    """Give a deployed shop without workers."""
    with Shop(cluster, prefix, folder) as opened:
        opened.deploy()
        yield opened
