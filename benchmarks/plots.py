"""The results as pictures: what was set and reached, the table beside its peers, asking, growing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import PercentFormatter

from benchmarks.results import Case, Results, Spread
from benchmarks.targets import TARGETS, Target

TITLES = {
    "targets": "What was set and what is reached",
    "table": "The table beside the bare loop and its peers",
    "asking": "Asking, by the client and over HTTP, beside the bare loop",
    "growth": "What an event costs in a table that grows",
}
_OURS, _OTHERS, _MARK = "#2457a6", "#b8c0cc", "#c2410c"
_WIDTH = 9.0  # inches
_ROW = 0.3
_MOST_SHARE = 1.6  # of a target: what is further is cut off
_NAMES = 52  # characters of a case's name that are shown

mpl.rcParams |= {"svg.hashsalt": "verbwire", "svg.fonttype": "path", "font.size": 9, "axes.spines.top": False}
mpl.rcParams |= {"axes.spines.right": False, "legend.frameon": False, "figure.constrained_layout.use": True}


def draw(folder: Path, name: str, results: Results) -> dict[str, Path]:
    """Write those pictures that the results have something for, and return where they are, by their titles."""
    drawn = {}
    for what, drawing in (("targets", _targets), ("table", _table), ("asking", _asking), ("growth", _growth)):
        if (picture := drawing(results)) is not None:
            file = folder / f"{name}-{what}.svg"
            picture.suptitle(TITLES[what])
            picture.savefig(file, metadata={"Date": None})
            drawn[TITLES[what]] = file
    return drawn


def _targets(results: Results) -> Picture | None:
    rows = list(_measured(results))
    if not rows:
        return None
    picture, axes = _axes(len(rows))
    axes.axvline(1, color=_MARK)
    colours = [_OURS if share.median >= 1 else _OTHERS for _, share in rows]
    _bars(axes, [(name, share) for name, share in rows], colours)
    axes.set_xlim(0, _MOST_SHARE)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("how much of what was set is reached; the line is all of it")
    return picture


def _measured(results: Results) -> Iterator[tuple[str, Spread]]:
    for name, targets in TARGETS.items():
        found = results.find(name)
        for target in targets if found else ():
            assert found
            spread = target.measured(results, *found)
            if spread is not None and min(spread.least, target.bound) > 0:
                yield f"{_short(name)} {target.text()}", _share(target, spread)


def _share(target: Target, spread: Spread) -> Spread:
    """Return what is reached of a target: 1 is all of it."""
    if target.most:
        return Spread(target.bound / spread.median, target.bound / spread.most, target.bound / spread.least)
    return Spread(spread.median / target.bound, spread.least / target.bound, spread.most / target.bound)


def _table(results: Results) -> Picture | None:
    group = next((each for each in results.groups if each.section == "table"), None)
    if group is None:
        return None
    cases = sorted(group.cases.values(), key=lambda each: -each.spread(group.value).median)
    picture, axes = _axes(len(cases))
    _bars(axes, [(_short(each.name), each.spread(group.value)) for each in cases], [_colour(each) for each in cases])
    axes.set_xlabel("events a second")
    return picture


def _asking(results: Results) -> Picture | None:
    groups = [each for each in results.groups if each.section == "asking"]
    if not groups:
        return None
    cases = [(group, case) for group in groups for case in group.cases.values() if case is not group.first]
    rows = [(_short(case.name), ratio) for group, case in cases if (ratio := group.ratio(case))]
    if not rows:
        return None
    picture, axes = _axes(len(rows))
    axes.axvline(1, color=_MARK)
    _bars(axes, rows, [_OURS] * len(rows))
    axes.set_xlabel("times as long as the bare loop takes, half of all (p50); the line is the bare loop")
    return picture


def _growth(results: Results) -> Picture | None:
    if not results.curves:
        return None
    picture = Picture(figsize=(_WIDTH, 3.5))
    axes = picture.subplots()
    for name, points in results.curves.items():
        axes.plot([events / 1e6 for events, _ in points], [cost for _, cost in points], label=name)
    axes.set_xlabel("millions of events")
    axes.set_ylabel("CPU of the worker, us an event")
    axes.set_ylim(bottom=0)
    axes.legend()
    return picture


def _axes(rows: int) -> tuple[Picture, Axes]:
    picture = Picture(figsize=(_WIDTH, 1.2 + _ROW * rows))
    return picture, picture.subplots()


def _bars(axes: Axes, rows: Sequence[tuple[str, Spread]], colours: Sequence[str]) -> None:
    """Draw a bar a row, from the top; a line through its end is from the least to the most."""
    medians = [spread.median for _, spread in rows]
    least = [spread.median - spread.least for _, spread in rows]
    most = [spread.most - spread.median for _, spread in rows]
    axes.barh(range(len(rows)), medians, xerr=[least, most], color=colours, ecolor="#333333", capsize=2)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()


def _colour(case: Case) -> str:
    return _OURS if case.name.startswith("verbwire") else _OTHERS


def _short(name: str) -> str:
    return name if len(name) <= _NAMES else f"{name[: _NAMES - 1]}…"
