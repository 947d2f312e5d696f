"""How a case is run: in a process of its own, in several rounds, so that a busy minute hits the bare loop and ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cluster import delete_topics, deploy
from benchmarks.environment import PeerEnvironment
from benchmarks.figures import Figure, told
from benchmarks.place import Place
from benchmarks.results import RATE, Case, Group, Results
from benchmarks.worker import SLOWEST
from verbwire.embedded import Addresses

CASE_SECONDS = 300
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    events: int
    commands: int
    asks: int
    slow: int  # records for peers that would take minutes with all of them
    rows: int  # of the table that is read over HTTP
    grown: int  # events that a table grows by
    seconds: float  # of one load over HTTP
    idle: float  # seconds that an idle worker is watched


@dataclass(frozen=True)
class Setup:
    """What all rounds have in common."""

    addresses: Addresses
    sizes: Sizes
    folder: Path
    peers: PeerEnvironment | None
    say: Callable[[str], None]


class Round:
    """One round of the sections: what one of them has written, those that follow may read."""

    def __init__(self, number: int, setup: Setup, results: Results) -> None:
        self.number = number
        self.setup = setup
        self.sizes = setup.sizes
        self.section = ""
        self._results = results
        self._said = ""  # the title that was said last
        self._places: dict[str, Place] = {}
        self._ran: set[tuple[str, ...]] = set()

    def run(self, section: str, measured: Callable[[Round], None]) -> None:
        """Run a section; what fails of it ends neither the round nor the run."""
        self.section = section
        with self.attempt(section):
            measured(self)

    def place(self, name: str, **more: Any) -> Place:
        """Return topics of this round's own, everything deployed; the same again for the same name."""
        if name not in self._places:
            sizes = {each: getattr(self.sizes, each) for each in ("events", "commands", "asks", "slow")}
            where, prefix = self.setup.addresses, f"bench{time.time_ns() // 10**6}"
            self._places[name] = Place(where.bootstrap, where.registry_url, prefix, **{**sizes, **more})
            deploy(self._places[name])
        return self._places[name]

    def folder(self, place: Place) -> Path:
        """Return where the workers of a place keep their data."""
        folder = self.setup.folder / place.prefix
        folder.mkdir(exist_ok=True)
        return folder

    def group(self, title: str, by: str = RATE) -> Group:
        """Return the figures that stand side by side under a title."""
        return self._results.group(title, self.section, by)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """What fails in here is told in the page, and the run goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 (whatever a case dies of, the others have to be measured)
            lines = [line for line in str(error).splitlines() if line.strip()] or [""]
            self._results.failures.append(f"{what} (round {self.number}): {type(error).__name__}: {lines[-1]}")
            self.setup.say(f"  FAILED {what}: {error}")

    def add(self, group: Group, figure: Figure) -> None:
        """Keep a figure, and say it."""
        if group.title != self._said:
            self._said = group.title
            self.setup.say(f"\n{group.title}")
        case = group.cases.setdefault(figure.name, Case(figure.name))
        case.figures[self.number] = figure
        ratio = group.ratio(case)
        told_ratio = f"{ratio.median:>5.2f}" if ratio else "    -"
        more = "".join(f"  {name} {value:,.4g}" for name, value in figure.more.items())
        self.setup.say(f"  {figure.rate:>9,.0f}/s  {told_ratio}  {figure.cpu_us:>7,.1f} us  {figure.name}{more}")

    def add_curve(self, name: str, points: list[tuple[int, float]]) -> None:
        """Keep what an event cost after so many."""
        self._results.curves[name] = points

    def measure(self, group: Group, place: Place, module: str, name: str) -> None:
        """Run a case of a module, and keep its figure."""
        with self.attempt(f"{module}.{name}"):
            for figure in self.told(command(module, name, place)):
                self.add(group, figure)
            self._ran.add((place.prefix, module, name))

    def need(self, place: Place, module: str, name: str) -> None:
        """Run a case for what it leaves behind, unless it has been run; raises where it fails."""
        if (place.prefix, module, name) not in self._ran:
            self.told(command(module, name, place), CASE_SECONDS + max(place.events, place.commands) / SLOWEST)
            self._ran.add((place.prefix, module, name))

    def told(self, command: Sequence[str], seconds: float = CASE_SECONDS) -> list[Figure]:
        """Return the figures of a process; RuntimeError with the end of what it said where it tells none."""
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=seconds, check=False)
        figures = told(done.stdout)
        if not figures:
            said = f"{done.stdout[-2000:]}{done.stderr[-4000:]}"
            raise RuntimeError(f"{' '.join(command[1:4])} told no figure:\n{said}")
        return figures

    def close(self) -> None:
        """Leave nothing to the rounds that follow."""
        for place in self._places.values():
            with self.attempt("deleting topics"):
                delete_topics(place)
            shutil.rmtree(self.folder(place))


def command(module: str, name: str, place: Place, *more: str) -> list[str]:
    """Return the command that runs a case."""
    return [sys.executable, "-m", f"benchmarks.{module}", name, place.text(), *more]


@contextmanager
def beside(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs as long as something is measured."""
    process = subprocess.Popen(command, cwd=_ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
