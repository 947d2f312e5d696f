"""A Kafka cluster and a schema registry as child processes, with their data in one folder."""

from __future__ import annotations

import atexit
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from verbwire.embedded import java, kafka, registry
from verbwire.embedded.archives import Recording
from verbwire.embedded.artifacts import KAFKA, REGISTRY, cache_folder
from verbwire.embedded.installation import install
from verbwire.embedded.java import Program
from verbwire.embedded.kafka import Broker, Node
from verbwire.embedded.ports import Ports
from verbwire.embedded.processes import Child, reap, stop
from verbwire.embedded.progress import report
from verbwire.embedded.registry import EmbeddedRegistry
from verbwire.embedded.state import Addresses, FolderLock, StackState, read_state, write_state
from verbwire.errors import StackError
from verbwire.security.private_files import keep_from_others

READY_SECONDS = 90.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
USUAL_PORTS = {"kafka-1": 9092, registry.NAME: 8081}


class Stack:
    """Embedded Kafka and registry on the loopback address; a context manager.

    `folder` keeps their data, logs and ``stack.json`` over restarts. One process owns a folder at a time. Nothing runs
    on after `stop` or the end of the process; what a killed owner left running is ended by the next start.
    The ports are the previous run's, the usual ones or free ones: ask `bootstrap` and `registry_url`.
    Start it in the main thread: then Linux stops the JVMs even when the process is killed.
    """

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        self._folder = folder.absolute()
        self._nodes = nodes
        self._lock = FolderLock(self._folder)
        self._leases = Ports(cache_folder() / "ports")
        self._ports: dict[str, int] = {}
        self._brokers: dict[int, Broker] = {}
        self._children: dict[str, Child] = {}
        self._recordings: list[Recording] = []

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

        Raises :class:`StackError` when the folder has an owner, when a process dies, or is not ready in time, and
        :class:`UnavailableError` when a download fails.
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
        """Stop everything, let ports and folder go; a second call does nothing. A Ctrl-C meanwhile makes it quicker."""
        if not self._lock.held():
            return
        # An exit stack: each step happens, last first, whatever interrupts another.
        with ExitStack() as steps:
            steps.callback(atexit.unregister, self.stop)
            steps.callback(self._lock.release)
            steps.callback(self._leases.release)
            steps.callback(self._forget)
            for recording in self._recordings:
                steps.callback(recording.cancel)
            steps.callback(stop, list(self._children.values()), STOP_SECONDS)

    def wipe(self) -> None:
        """Remove data and logs of both, as one. Raises :class:`StackError` while some process owns the folder."""
        self._lock.acquire()
        try:
            self._reap(read_state(self._folder))
            shutil.rmtree(self._folder)
        finally:
            self._lock.release()

    def kill(self, node: int) -> None:
        """Kill a Kafka node without a warning; `start_node` brings it back. The first node has the number 1."""
        self._children.pop(self._brokers[node].node.name).end()

    def start_node(self, node: int) -> None:
        """Start a killed Kafka node and wait until the cluster answers with it."""
        self._start_broker(self._brokers[node])
        self._wait([self._kafka_answers])
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
        self._reap(previous)
        if previous and previous.nodes != self._nodes:
            raise StackError(
                f"{self._folder} holds a cluster of {previous.nodes} nodes, not {self._nodes}: "
                "wipe it, or use another folder"
            )
        java.java()
        class_paths = install([KAFKA, REGISTRY], reporter)
        brokers, registries = kafka.program(class_paths[KAFKA]), registry.program(class_paths[REGISTRY])
        self._take_ports(previous.ports if previous else {})
        reporter.say("starting Kafka and the registry")
        self._spawn(brokers, registries)
        self._wait([self._kafka_answers, partial(registry.answers, self._ports[registry.NAME])])
        keep_from_others(self._folder)
        self._record(ready=True)
        recorded = {self._children["kafka-1"]: brokers, self._children[registry.NAME]: registries}
        self._recordings = [Recording(java.java(), child, program.archive) for child, program in recorded.items()]
        reporter.say(f"Kafka {self.bootstrap}, registry {self.registry_url}")

    def _reap(self, previous: StackState | None) -> None:
        reap(previous.processes.values() if previous else (), STOP_SECONDS)

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

    def _spawn(self, brokers: Program, registries: Program) -> None:
        # The slower one first: meanwhile Kafka's folder is formatted.
        management = self._ports[f"{registry.NAME}-management"]
        self._run(EmbeddedRegistry(self._folder, self._ports[registry.NAME], management, registries).start)
        cluster = self._cluster()
        self._brokers = {node.number: Broker(node, cluster, self._folder, brokers) for node in cluster}
        for broker in self._brokers.values():
            broker.prepare()
            self._start_broker(broker)

    def _start_broker(self, broker: Broker) -> None:
        if broker.needs_unfencing():
            apart = self._run(broker.start_apart)
            self._wait([lambda: broker.is_unfenced(apart)])
            stop([self._children.pop(apart.name)], STOP_SECONDS)
        self._run(broker.start)

    def _run(self, start: Callable[[], Child]) -> Child:
        child = start()
        self._children[child.name] = child
        # At once: whoever kills us now leaves a record of what to reap.
        self._record(ready=False)
        return child

    def _forget(self) -> None:
        self._children.clear()
        if self._ports:
            self._record(ready=False)

    def _record(self, ready: bool) -> None:
        processes = {name: child.identity for name, child in self._children.items()}
        state = StackState(
            nodes=self._nodes, addresses=self.addresses, ports=self._ports, ready=ready, processes=processes
        )
        write_state(self._folder, state)

    def _kafka_answers(self) -> bool:
        running = [node for node in self._cluster() if node.name in self._children]
        return kafka.answers(self.bootstrap, len(running))

    def _wait(self, probes: list[Callable[[], bool]]) -> None:
        """Until every probe says yes; fails at once when a process has died."""
        until = time.monotonic() + READY_SECONDS
        while probes:
            for child in self._children.values():
                if child.ended():
                    raise child.failure("ended before it was ready")
                if time.monotonic() > until:
                    raise child.failure(f"was not ready after {READY_SECONDS:.0f} seconds")
            probes = [probe for probe in probes if not probe()]
            time.sleep(POLL_SECONDS)
