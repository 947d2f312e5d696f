"""A Kafka cluster and a schema registry as child processes, with their data in one folder."""

from __future__ import annotations

import atexit
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from verbwire.embedded import kafka, registry
from verbwire.embedded.artifacts import cache_folder
from verbwire.embedded.installation import Installation, install
from verbwire.embedded.kafka import Broker, Node
from verbwire.embedded.ports import Ports
from verbwire.embedded.processes import Child, reap, stop
from verbwire.embedded.progress import report
from verbwire.embedded.registry import Registry
from verbwire.embedded.state import Addresses, FolderLock, State, read_state, write_state
from verbwire.errors import StackError

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
USUAL_PORTS = {"kafka-1": 9092, registry.NAME: 8081}


class Stack:
    """Embedded Kafka and registry on the loopback address; a context manager.

    `folder` keeps their data, logs and ``stack.json`` over restarts. One process owns a folder at a time; what a
    killed owner left running is ended by the next start. Nothing runs on after `stop` or the end of the process.
    The ports are the previous run's, the usual ones or free ones: ask `bootstrap` and `registry_url`.
    """

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        self._folder = folder.absolute()
        self._nodes = nodes
        self._lock = FolderLock(self._folder)
        self._leases = Ports(cache_folder() / "ports")
        self._ports: dict[str, int] = {}
        self._brokers: dict[int, Broker] = {}
        self._children: dict[str, Child] = {}

    @property
    def bootstrap(self) -> str:
        """Kafka's addresses, as clients want them."""
        return self.addresses.bootstrap

    @property
    def registry_url(self) -> str:
        """The registry's address, as Confluent's clients want it."""
        return self.addresses.registry_url

    @property
    def addresses(self) -> Addresses:
        """Where both are reached. Raises :class:`StackError` before the start."""
        if not self._ports:
            raise StackError("the stack has no addresses yet: call start() first")
        return Addresses(
            bootstrap=",".join(node.address for node in self._cluster()),
            registry_url=registry.url(self._ports[registry.NAME]),
        )

    def start(self, progress: bool = True) -> Self:
        """Start both and wait until both answer; downloads what is missing first.

        Raises :class:`StackError` when the folder has an owner, when a process dies, or is not ready in time.
        """
        self._lock.acquire()
        atexit.register(self.stop)
        try:
            self._start(progress)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, let ports and folder go; a second call does nothing."""
        if not self._lock.held():
            return
        try:
            stop(self._children.values(), STOP_SECONDS)
        finally:
            self._children.clear()
            if self._ports:
                self._record(ready=False)
            self._leases.release()
            self._lock.release()
            atexit.unregister(self.stop)

    def wipe(self) -> None:
        """Remove the data of both, logs and all, as one. Raises :class:`StackError` while some process owns them."""
        self._lock.acquire()
        try:
            previous = read_state(self._folder)
            reap(previous.processes.values() if previous else (), STOP_SECONDS)
            shutil.rmtree(self._folder)
        finally:
            self._lock.release()

    def kill(self, node: int) -> None:
        """Kill a Kafka node as a power cut would; `start_node` brings it back."""
        child = self._children[self._brokers[node].node.name]
        child.signal(signal.SIGKILL)
        child.wait(STOP_SECONDS)

    def start_node(self, node: int) -> None:
        """Start a killed Kafka node and wait until the whole cluster answers again."""
        self._run(self._brokers[node].start)
        self._wait(kafka=self._kafka_answers)
        self._record(ready=True)

    def __enter__(self) -> Self:
        return self if self._lock.held() else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, progress: bool) -> None:
        reporter = report(progress)
        previous = read_state(self._folder)
        if previous:
            reap(previous.processes.values(), STOP_SECONDS)
            self._require_same_size(previous)
        found = install(reporter)
        self._take_ports(previous.ports if previous else {})
        reporter.say("starting Kafka and the registry")
        self._spawn(found)
        self._wait(kafka=self._kafka_answers, registry=partial(registry.answers, self.registry_url))
        self._record(ready=True)
        reporter.say(f"Kafka {self.bootstrap}, registry {self.registry_url}")

    def _require_same_size(self, previous: State) -> None:
        if previous.nodes != self._nodes:
            raise StackError(
                f"{self._folder} holds a cluster of {previous.nodes} nodes, not {self._nodes}: wipe it, or use another folder"
            )

    def _take_ports(self, previous: dict[str, int]) -> None:
        names = [registry.NAME, f"{registry.NAME}-management"]
        for number in range(1, self._nodes + 1):
            names += [f"kafka-{number}", f"kafka-{number}-controller"]
        for name in names:
            wanted = [ports[name] for ports in (previous, USUAL_PORTS) if name in ports]
            self._ports[name] = self._leases.take(wanted)

    def _cluster(self) -> list[Node]:
        ports = self._ports
        numbers = range(1, self._nodes + 1)
        return [Node(n, ports[f"kafka-{n}"], ports[f"kafka-{n}-controller"]) for n in numbers]

    def _spawn(self, found: Installation) -> None:
        # The slower first, so that formatting Kafka's folder costs no time.
        management = self._ports[f"{registry.NAME}-management"]
        self._run(Registry(self._folder, self._ports[registry.NAME], management, found).start)
        cluster = self._cluster()
        self._brokers = {node.number: Broker(node, cluster, self._folder, found) for node in cluster}
        for broker in self._brokers.values():
            broker.prepare()
            self._run(broker.start)

    def _run(self, start: Callable[[], Child]) -> None:
        child = start()
        self._children[child.name] = child
        # At once: whoever kills us now leaves a record of what to reap.
        self._record(ready=False)

    def _record(self, ready: bool) -> None:
        processes = {name: child.identity for name, child in self._children.items()}
        state = State(
            nodes=self._nodes, addresses=self.addresses, ports=self._ports, ready=ready, processes=processes
        )
        write_state(self._folder, state)

    def _kafka_answers(self) -> bool:
        return kafka.answers(self.bootstrap, self._nodes)

    def _wait(self, **probes: Callable[[], bool]) -> None:
        """Until every probe says yes; fails at once when a process has died."""
        until = time.monotonic() + READY_SECONDS
        pending = dict(probes)
        while pending:
            for child in self._children.values():
                if child.ended():
                    raise child.failure("ended before it was ready")
                if time.monotonic() > until:
                    raise child.failure(f"was not ready after {READY_SECONDS:.0f} seconds")
            pending = {name: probe for name, probe in pending.items() if not probe()}
            time.sleep(POLL_SECONDS)
