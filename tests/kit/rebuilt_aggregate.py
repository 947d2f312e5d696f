"""An aggregate whose states are exchanged while it decides: each of its events says which state it was decided on.

So the log of events alone tells whether a switch was right: each command is decided once, in order, on the state that
all events before it led to, and that state is the old one up to one place and the new one behind it.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.kit.bank import NAMESPACE, Bank, Taken
from tests.kit.cluster import Cluster, eventually
from tests.kit.rebuilds import MARK, close_with_all
from tests.kit.samples.bank.jars import CoinsPut, PutCoins
from tests.kit.worker import REST, Branch, Running
from verbwire.wire.partitioner import partition_of

PARTITIONS = 4
RUN_SECONDS = 200.0  # of a command beside workers and load
JARS = [f"jar-{number}" for number in range(16)]
# What the applier adds to a state that begins stays in it: by it one sees by which code, and so in which generation, a
# state was begun.
CONSUMERS = (
    """
import os
from schemas.jars import CoinsPut, JarState, PutCoins
from verbwire import Aggregate

jars = Aggregate("bank.jars", state=JarState)
base = 1_000_000 * int(os.environ.get("FOLDED_BY", "0"))

@jars.handles
def put(command: PutCoins, jar: JarState | None) -> CoinsPut:
    return CoinsPut(jar_id=command.jar_id, pence=command.pence, how=str(jar.pence if jar else 0))

@jars.applies
def coins_put(jar: JarState | None, event: CoinsPut) -> JarState:
    return JarState(jar_id=event.jar_id, pence=(jar.pence if jar else base) + event.pence)
"""
    + REST
)


@dataclass
class Load:
    """Commands, one penny each, some of them sent again: at once, or long after."""

    bank: Bank
    sent: dict[str, str] = field(default_factory=dict)  # id -> jar

    def put(self, jar: str, id: str | None = None) -> str:
        """Send one; the same `id` is the same command."""
        name = id or f"put-{len(self.sent)}"
        self.bank.send(PutCoins(jar_id=jar, pence=1), partition_of(jar.encode(), PARTITIONS), id=name)
        self.sent[name] = jar
        return name

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop."""
        while not stop.is_set():
            for jar in JARS:
                self.put(jar)
            again = list(self.sent)[:: max(1, len(self.sent) // 5)]
            for name in again:
                self.put(self.sent[name], name)
            stop.wait(0.2)


class RebuiltAggregate:
    """Workers of one aggregate, and the command line beside them."""

    def __init__(self, folder: Path, bank: Bank, workers: int, modules: dict[str, str]) -> None:
        self.bank = bank
        self.project = Branch(folder, bank)
        self.project.run_seconds = RUN_SECONDS
        self.project.write("consumers/jars.py", CONSUMERS)
        for name, text in modules.items():
            self.project.write(name, text)
        self.load = Load(bank)
        for jar in JARS:
            self.load.put(jar)
        self.workers: dict[str, Running] = {f"w{n}": self.start(f"w{n}") for n in range(1, workers + 1)}

    def start(self, name: str, **environment: str) -> Running:
        """Start a worker, or its successor."""
        return self.project.start("consumers", name=name, **environment)

    def rebuild(self, *how: str, folded_by: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `verbwire rebuild` to its end."""
        environment["FOLDED_BY"] = str(folded_by)
        return self.project.run("rebuild", "bank.jars.aggregate", *how, **environment)

    def done(self, *how: str, folded_by: int = 0, **environment: str) -> str:
        """The same; what it printed, where it did what it should."""
        ran = self.rebuild(*how, folded_by=folded_by, **environment)
        assert ran.returncode == 0, f"{how}: {ran.returncode}\n{ran.stdout}\n{ran.stderr[-3000:]}"
        return ran.stdout

    def killed(self, step: str, *how: str, folded_by: int = 0) -> None:
        """The same, killed at a step."""
        ran = self.rebuild(*how, folded_by=folded_by, VERBWIRE_CRASH_POINT=step)
        assert ran.returncode == -signal.SIGKILL, f"{step}: {ran.returncode}\n{ran.stdout}\n{ran.stderr[-3000:]}"

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Send commands meanwhile, from before the first step until after the last one."""
        stop = threading.Event()
        thread = threading.Thread(target=self.load.run, args=[stop], name="load")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def states(self) -> dict[str, int]:
        """What is in the jars, as a worker tells of the aggregate's states."""
        status, body = next(iter(self.workers.values())).get("/tables/bank.jars.aggregate?page_size=1000")
        return {row["jar_id"]: row["pence"] for row in body["rows"]} if status == 200 and body["complete"] else {}

    def decided(self) -> list[Taken]:
        """The events, in order, once there is one of each command that was sent."""
        found: list[Taken] = []

        def all_there() -> bool:
            found[:] = [each for partition in range(PARTITIONS) for each in self.bank.events(partition)]
            return {each.header("ce_causationid") for each in found} >= self.load.sent.keys()

        eventually(all_there, 60)
        return found

    def wrong(self, order: Sequence[int]) -> list[str]:
        """What is wrong with the events, where the generations have decided in this order, and the last does now."""
        found, wrong = self.decided(), list[str]()
        by_id = Counter(each.header("ce_causationid") for each in found)
        wrong += [f"{name} was decided {times} times" for name, times in by_id.items() if times > 1]
        by_jar = defaultdict[str, list[int]](list)
        decode = self.bank.codec.topic_decoder("events", NAMESPACE, {CoinsPut.__contract__: CoinsPut}).decode
        for each in found:
            event = decode(each.value)
            assert isinstance(event, CoinsPut)
            by_jar[event.jar_id].append(int(event.how))
        for jar, seen in by_jar.items():
            wrong += [f"{jar}: {pence} seen after {n} events" for n, pence in enumerate(seen) if pence % MARK != n]
            runs, left = [mark for mark, _ in groupby(pence // MARK for pence in seen)], iter(order)
            if not all(mark in left for mark in runs):
                wrong.append(f"{jar}: decided by generations {runs}, not {[*order]} in turn")
        now = {jar: order[-1] * MARK + len(seen) for jar, seen in by_jar.items()}
        if (states := eventually(self.states, 30)) != now:
            wrong.append(f"states {states}, not {now}")
        return wrong


@contextmanager
def rebuilt_aggregate(
    cluster: Cluster, folder: Path, workers: int = 2, modules: dict[str, str] | None = None
) -> Iterator[RebuiltAggregate]:
    """Workers that decide, until the block ends."""
    bank = Bank(cluster, f"g{uuid.uuid4().hex[:10]}", PARTITIONS)
    opened = RebuiltAggregate(folder, bank, workers, modules or {})
    try:
        for each in opened.workers.values():
            each.ready()
        opened.decided()
        yield opened
    finally:
        opened.project.kill()
        close_with_all(bank)
