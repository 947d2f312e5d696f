"""The results as JSON for machines and as a table for people: ratios first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.run import Group

INTRODUCTION = """\
Every case ran in a process of its own against the same broker, in one run, one after another. Trust the ratios, each to
the first line of its table: absolute figures move by half from run to run. *CPU* is the measured process alone, all
its threads, in microseconds a record; it is what other work on the machine changes least.
"""


def write(folder: Path, name: str, facts: dict[str, Any], groups: Sequence[Group]) -> list[Path]:
    """Write both files and return where they are."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{name}.json", folder / f"{name}.md"]
    files[0].write_text(json.dumps(_document(facts, groups), indent=2) + "\n", "utf-8")
    files[1].write_text(_page(name, facts, groups), "utf-8")
    return files


def _document(facts: dict[str, Any], groups: Sequence[Group]) -> dict[str, Any]:
    cases = [
        {
            "title": group.title,
            "figures": [
                {**asdict(each), "rate": round(each.rate, 1), "ratio": round(each.rate / group.figures[0].rate, 3)}
                for each in group.figures
            ],
        }
        for group in groups
    ]
    return {**facts, "groups": cases}


def _page(name: str, facts: dict[str, Any], groups: Sequence[Group]) -> str:
    lines = [f"# Benchmarks of {name}", "", INTRODUCTION]
    for group in groups:
        lines += [f"## {group.title}", "", *_table(group.figures), ""]
    lines += ["## Machine and sizes", "", *_facts(facts), ""]
    return "\n".join(lines)


def _table(figures: Sequence[Figure]) -> list[str]:
    first = figures[0]
    rows = [
        f"| {each.rate / first.rate:.2f} | {each.name} | {each.rate:,.0f} | {_cpu(each, first)} | {_more(each)} |"
        for each in figures
    ]
    return ["| ratio | what | records/s | CPU us (ratio) | |", "|--:|---|--:|--:|---|", *rows]


def _cpu(figure: Figure, first: Figure) -> str:
    if not figure.cpu:
        return ""
    return f"{figure.cpu_us:.1f} ({figure.cpu_us / first.cpu_us:.1f})"


def _more(figure: Figure) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in figure.more.items())


def _facts(facts: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in facts.items():
        text = ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
        lines.append(f"- {name.replace('_', ' ')}: {text}")
    return lines
