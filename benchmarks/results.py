"""The figures of a run: of each case one a round, told as a median with the least and the most."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from benchmarks.figures import Figure

RATE = "rate"


@dataclass(frozen=True)
class Spread:
    """A median of some rounds, and how far they lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return that of these values, one at least."""
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))


@dataclass
class Case:
    """What one case gave in the rounds that it was run in."""

    name: str
    figures: dict[int, Figure] = field(default_factory=dict)  # by round

    def spread(self, of: Callable[[Figure], float]) -> Spread:
        """Return something of its figures over the rounds."""
        return Spread.of(of(each) for each in self.figures.values())

    def ratio(self, first: Case, of: Callable[[Figure], float]) -> Spread | None:
        """Return it as a ratio to another case in the same rounds: what slowed a round has slowed both."""
        both = [(figure, first.figures[n]) for n, figure in self.figures.items() if n in first.figures]
        ratios = [of(mine) / of(other) for mine, other in both if of(other)]
        return Spread.of(ratios) if ratios else None

    def median(self) -> Figure:
        """Return one figure that stands for all rounds, each of its numbers a median."""
        rates, cpu = self.spread(lambda each: each.rate).median, self.spread(lambda each: each.cpu_us).median
        records = round(self.spread(lambda each: each.records).median)
        return Figure(
            self.name,
            records,
            records / rates if rates else 0.0,
            cpu * records / 1e6,
            {name: self.spread(partial(_added, name)).median for name in self._common()},
        )

    def _common(self) -> list[str]:
        """Return what each round has told."""
        rounds = list(self.figures.values())
        return [name for name in rounds[0].more if all(name in each.more for each in rounds)]


def _added(name: str, figure: Figure) -> float:
    return figure.more[name]


@dataclass
class Group:
    """Cases that belong side by side. Ratios are to the first, of `by`: the rate, or something that a figure adds."""

    title: str
    section: str
    by: str = RATE
    cases: dict[str, Case] = field(default_factory=dict)

    @property
    def first(self) -> Case:
        """The case that the others are compared with."""
        return next(iter(self.cases.values()))

    def value(self, figure: Figure) -> float:
        """Return what is compared."""
        return figure.rate if self.by == RATE else figure.more.get(self.by, 0.0)

    def ratio(self, case: Case) -> Spread | None:
        """Return how a case stands to the first."""
        return case.ratio(self.first, self.value)


class Results:
    """All groups of a run, in the order in which they came, and what has failed."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self.failures: list[str] = []
        self.curves: dict[str, list[tuple[int, float]]] = {}  # by name: after so many events, what one costs

    @property
    def groups(self) -> list[Group]:
        """Those that have a figure."""
        return [each for each in self._groups.values() if each.cases]

    def group(self, title: str, section: str, by: str = RATE) -> Group:
        """Return the group of that title, made where there is none yet."""
        return self._groups.setdefault(title, Group(title, section, by))

    def find(self, name: str) -> tuple[Group, Case] | None:
        """Return the case of that name, and its group."""
        return next(((group, group.cases[name]) for group in self.groups if name in group.cases), None)
