"""The results as JSON for machines, and as a page for people, ratios first, with its plots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.results import RATE, Case, Group, Results, Spread
from benchmarks.targets import TARGETS, Target

INTRODUCTION = """\
Every case ran in a process of its own against the same broker. In each round all cases ran one after another, so that
what else the machine did hit those that are compared; a figure is the median of the rounds, in brackets the least and
the most of them. Trust the ratios, each to the first line of its table in the same round: absolute figures move by half
from run to run. *CPU* is the measured process alone, all its threads, in microseconds a record; it is what other work
on the machine changes least. *To reach* is what the project has set itself; ✓ says that the median is there.
"""
_SHOWN = {"percent_of_a_core": "% of a core", "memory_mb": "MB of memory", "disk_mb": "MB on disk"}


def write(folder: Path, name: str, facts: dict[str, Any], results: Results) -> list[Path]:
    """Write all files and return where they are."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{name}.json", folder / f"{name}.md"]
    files[0].write_text(json.dumps(_document(facts, results), indent=2) + "\n", "utf-8")
    from benchmarks import plots  # Matplotlib takes a second, of each process of a test run

    pictures = plots.draw(folder, name, results)
    files[1].write_text(_page(name, facts, results, pictures), "utf-8")
    return [*files, *pictures.values()]


def _document(facts: dict[str, Any], results: Results) -> dict[str, Any]:
    groups = [
        {
            "title": group.title,
            "section": group.section,
            "figures": [_figure(group, case) for case in group.cases.values()],
        }
        for group in results.groups
    ]
    return {**facts, "groups": groups, "curves": results.curves, "failures": results.failures}


def _figure(group: Group, case: Case) -> dict[str, Any]:
    median, ratio = case.median(), group.ratio(case)
    rounds = [asdict(each) for each in case.figures.values()]
    return {
        **asdict(median),
        "rate": round(median.rate, 1),
        "ratio": ratio and {part: round(value, 3) for part, value in asdict(ratio).items()},
        "rounds": [{name: value for name, value in each.items() if name != "name"} for each in rounds],
    }


def _page(name: str, facts: dict[str, Any], results: Results, pictures: Mapping[str, Path]) -> str:
    lines = [f"# Benchmarks of {name}", "", INTRODUCTION]
    lines += [f"![{title}]({file.name})\n" for title, file in pictures.items()]
    for group in results.groups:
        lines += [f"## {group.title}", "", *_table(results, group), ""]
    if results.failures:
        lines += ["## What failed", "", *(f"- {each}" for each in results.failures), ""]
    lines += ["## Machine and sizes", "", *_facts(facts), ""]
    return "\n".join(lines)


def _table(results: Results, group: Group) -> Iterator[str]:
    value = "records/s" if group.by == RATE else _shown(group.by)
    yield f"| ratio | what | {value} | CPU us (ratio) | | to reach |"
    yield "|--:|---|--:|--:|---|---|"
    for case in group.cases.values():
        ratio, found = group.ratio(case), case.spread(group.value)
        cells = [
            _told(ratio, ".2f") if ratio else "",
            case.name,
            _told(found, ",.0f" if found.median >= 100 else ",.2f"),
            _cpu(case, group.first),
            _more(group, case),
            "; ".join(_target(results, group, case, each) for each in TARGETS.get(case.name, ())),
        ]
        yield f"| {' | '.join(cells)} |"


def _told(spread: Spread, how: str) -> str:
    """Return a median with least and most, where there are several."""
    if spread.least == spread.most:
        return format(spread.median, how)
    return f"{spread.median:{how}} ({spread.least:{how}}-{spread.most:{how}})"


def _cpu(case: Case, first: Case) -> str:
    used, ratio = case.spread(lambda each: each.cpu_us), case.ratio(first, lambda each: each.cpu_us)
    if not used.median:
        return ""
    return f"{used.median:.1f}" + (f" ({ratio.median:.1f})" if ratio else "")


def _more(group: Group, case: Case) -> str:
    median = case.median()
    more = [] if group.by == RATE else [f"{median.rate:,.0f}/s"]
    more += [f"{_shown(name)} {value:,.4g}" for name, value in median.more.items() if name != group.by]
    return ", ".join(more)


def _target(results: Results, group: Group, case: Case, target: Target) -> str:
    found = target.measured(results, group, case)
    if found is None:
        return f"{target.text()} (not measured)"
    return f"{target.text()} {'✓' if target.reached(found.median) else '✗'}"


def _shown(name: str) -> str:
    return _SHOWN.get(name, name.replace("_", " "))


def _facts(facts: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in facts.items():
        text = ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
        lines.append(f"- {name.replace('_', ' ')}: {text}")
    return lines
