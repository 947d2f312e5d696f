"""The cases of a run, one after another, each in a process of its own, all on the same broker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environment import PeerEnvironment
from benchmarks.figures import Figure, told
from benchmarks.latency import IN_FLIGHT
from benchmarks.place import Place
from benchmarks.worker import Progress, Worker, follow, start_up

CASE_SECONDS = 300


@dataclass
class Group:
    """Figures that belong side by side; ratios are to the first."""

    title: str
    figures: list[Figure] = field(default_factory=list)


class Run:
    """Collects the figures and says each as it comes."""

    def __init__(self, place: Place, folder: Path, say: Callable[[str], None]) -> None:
        self.groups: list[Group] = []
        self._place = place
        self._folder = folder
        self._say = say

    def all(self, peers: PeerEnvironment | None) -> None:
        """Run every case."""
        self.producing()
        self.table(peers)
        self.restoring()
        self.deciding()
        self.asking()

    def producing(self) -> None:
        """Fills the topics that the other cases read."""
        self._told(self._command(sys.executable, "bare", "warm_up"))
        self._begin("Producing events, until the broker has acknowledged the last")
        for name in ("produce_with_headers", "produce"):
            self._case("bare", name)
        self._case("sdk", "publish")
        self._begin("Producing commands, until the broker has acknowledged the last")
        self._case("bare", "produce_commands")
        self._case("sdk", "send")

    def table(self, peers: PeerEnvironment | None) -> None:
        """The same events into a table."""
        self._begin("Table: each event decoded and kept under its key")
        for name in ("consume", "consume_past_headers", "consume_with_headers"):
            self._case("bare", name)
        with Worker(self._place, "bench.orders", self._folder) as worker:
            progress = Progress(self._place, "bench.orders", "bench.orders.events")
            name = "verbwire table: SQLite with an index, changelog, exactly once"
            self._add(follow(name, worker, progress, self._place.events))
        self._peer(sys.executable, "faust_plain")
        if peers:
            for module in ("faststream_dict", "quix_table"):
                if python := peers.python_for(module, self._say):
                    self._peer(python, module)

    def restoring(self) -> None:
        """The table's changelog into a new local copy."""
        self._begin("Restore: the rows of the changelog into a new local copy")
        self._case("bare", "restore")
        worker, rows = Worker(self._place, "bench.orders", self._folder), self._place.events
        with_data, cpu_with_data = start_up(worker)
        worker.forget()
        without, cpu = start_up(worker)
        more = {"start_to_ready_s": without, "start_to_ready_with_data_s": with_data}
        name = "verbwire restore: changelog into SQLite with its index"
        self._add(Figure(name, rows, without - with_data, cpu - cpu_with_data, more))

    def deciding(self) -> None:
        """Commands to their one receiver."""
        self._begin("Aggregate: command -> event + state row + outcome + offsets, in transactions")
        for name in ("transactions", "transactions_with_headers"):
            self._case("bare", name)
        with Worker(self._place, "bench.desk.aggregate", self._folder) as worker:
            progress = Progress(self._place, "bench.desk.aggregate", "bench.desk.commands")
            name = "verbwire aggregate: SQLite, ids remembered, exactly once"
            self._add(follow(name, worker, progress, self._place.commands))

    def asking(self) -> None:
        """Commands whose outcome somebody waits for, few and many at a time, and the row that follows."""
        figures = self._bare_asking()
        with Worker(self._place, "bench.desk.aggregate", self._folder, "bench.accepted") as worker:
            worker.until(worker.ready)
            figures += self._told(self._command(sys.executable, "latency", "verbwire"))
            figures += self._told(self._command(sys.executable, "latency", "http") + worker.asked())
            rows = self._told(self._command(sys.executable, "latency", "rows") + worker.asked())
        for in_flight in IN_FLIGHT:
            self._begin(f"Asking, {in_flight} in flight: from sending a command to having its outcome, committed")
            for figure in figures:
                if figure.name.endswith(f", {in_flight} in flight"):
                    self._add(figure)
        self._begin("Reading one's own write: from an outcome to the row that it led to")
        for figure in rows:
            self._add(figure)

    def _bare_asking(self) -> list[Figure]:
        receiver = subprocess.Popen(self._command(sys.executable, "latency", "bare_receiver"), cwd=_ROOT)
        try:
            return self._told(self._command(sys.executable, "latency", "bare"))
        finally:
            receiver.kill()
            receiver.wait()

    # -- inside

    def _begin(self, title: str) -> None:
        self.groups.append(Group(title))
        self._say(f"\n{title}")

    def _add(self, figure: Figure) -> None:
        group = self.groups[-1]
        group.figures.append(figure)
        ratio = figure.rate / group.figures[0].rate
        self._say(f"  {figure.rate:>9,.0f}/s  {ratio:>5.2f}  {figure.name}")

    def _case(self, module: str, name: str) -> None:
        self._process(self._command(sys.executable, module, name))

    def _peer(self, python: str, module: str) -> None:
        try:
            self._process([python, "-m", f"benchmarks.peers.{module}", self._place.text()])
        except (RuntimeError, subprocess.TimeoutExpired) as error:  # a peer that fails is a line, ours is an error
            self._say(f"  {module} gave no figure: {error}")

    def _command(self, python: str, module: str, name: str) -> list[str]:
        return [python, "-m", f"benchmarks.{module}", name, self._place.text()]

    def _process(self, command: list[str]) -> None:
        for figure in self._told(command):
            self._add(figure)

    def _told(self, command: list[str]) -> list[Figure]:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=CASE_SECONDS)
        figures = told(done.stdout)
        if not figures:
            raise RuntimeError(f"{' '.join(command[1:4])} told no figure:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return figures


_ROOT = Path(__file__).parent.parent
