"""What is to be reached, by the name of a case: the columns of the page, and the marks in its plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.results import Case, Group, Results, Spread

RATIO = "ratio"
RATE = "rate"
CPU = "cpu"

_QUIX = "Quix Streams: state in RocksDB, exactly once"
_FAUST = "Faust: agent + table in memory, at least once"


@dataclass(frozen=True)
class Target:
    """A bound of something measured: of the ratio, the rate, the CPU in microseconds, or of what a figure adds."""

    of: str
    bound: float
    most: bool = False  # else it is the least that is wanted
    beside: str = ""  # the ratio is to this case, not to the first of the group

    def measured(self, results: Results, group: Group, case: Case) -> Spread | None:
        """Return what it is about; None where that was not measured."""
        if self.of == RATIO and self.beside:
            other = results.find(self.beside)
            return case.ratio(other[1], group.value) if other else None
        if self.of == RATIO:
            return group.ratio(case)
        if self.of == RATE:
            return case.spread(lambda each: each.rate)
        if self.of == CPU:
            return case.spread(lambda each: each.cpu_us)
        return case.spread(lambda each: each.more[self.of])

    def reached(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value <= self.bound if self.most else value >= self.bound

    def text(self) -> str:
        """Return it as people read it."""
        what = {RATIO: "", RATE: "/s", CPU: " us"}.get(self.of, f" {self.of.replace('_', ' ')}")
        beside = f" x {self.beside.partition(':')[0]}" if self.beside else ""
        return f"{'≤' if self.most else '≥'} {self.bound:,.10g}{what}{beside}"


def at_least(bound: float, of: str = RATIO, beside: str = "") -> Target:
    """More is better."""
    return Target(of, bound, beside=beside)


def at_most(bound: float, of: str = RATIO) -> Target:
    """Less is better."""
    return Target(of, bound, most=True)


TARGETS: Mapping[str, tuple[Target, ...]] = {
    "verbwire Client.publish": (at_least(0.8),),
    "verbwire Client.send": (at_least(0.8),),
    "verbwire table: SQLite with an index, changelog, exactly once": (
        at_least(0.55),
        at_least(1, beside=_QUIX),
        at_least(20, beside=_FAUST),
    ),
    "verbwire aggregate: SQLite, ids remembered, exactly once": (at_least(0.5),),
    **{f"verbwire Client.ask, {n} in flight": (at_most(1.4),) for n in (1, 16, 256)},
    **{f"verbwire over HTTP, {n} in flight": (at_most(2),) for n in (1, 16)},
    "verbwire over HTTP, 256 in flight": (at_most(2), at_least(2500, RATE)),
    "verbwire: from the outcome to the row, asked for at once": (at_most(3, "p50_ms"),),
    "verbwire restore: changelog into SQLite with its index": (at_least(200_000, RATE),),
    "verbwire restore: 3,000,000 rows": (at_least(200_000, RATE),),
    "unique keys, from 2,700,000 to 3,000,000": (at_most(1.3),),
    "verbwire, seven groups, idle": (
        at_most(1, "percent_of_a_core"),
        at_most(60, "threads"),
        at_most(200, "descriptors"),
    ),
    "verbwire: GET by key": (at_least(0.6),),
    "verbwire: GET by key, forwarded to the owner": (at_least(2500, RATE),),
    "verbwire: a filtered page of 50": (at_least(2000, RATE),),
    "verbwire: a search": (at_least(2500, RATE),),
}
