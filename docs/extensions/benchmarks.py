"""The newest results of ``make bench``, and the newest that stand beside peers."""

from __future__ import annotations

import re
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
_WHOLE = re.compile(r"\d{4}-\d\d-\d\d")  # others are of parts, or quick
_PEERS = ("Faust", "Quix Streams", "FastStream")


def page() -> str:
    """Return the newest results as they were written, and the peers' lines where those have none."""
    newest = _results()[-1]
    text = _without_title(newest)
    if all(peer in text for peer in _PEERS):
        return text
    return f"{text}\n## Beside peers, {with_peers().stem}\n\n{_peers_table(with_peers())}"


def with_peers() -> Path:
    """Return the newest results that have all peers."""
    return next(each for each in reversed(_results()) if all(peer in each.read_text("utf-8") for peer in _PEERS))


def _results() -> list[Path]:
    return sorted(each for each in RESULTS.glob("*.md") if _WHOLE.fullmatch(each.stem))


def _without_title(results: Path) -> str:
    title, _, rest = results.read_text("utf-8").partition("\n")
    text = f"## Results of {title.rpartition(' ')[2]}\n\nFrom `benchmarks/results/{results.name}`.\n{rest}"
    return text.replace("\n## ", "\n### ").replace(f"]({results.stem}-", f"](../benchmarks/results/{results.stem}-")


def _peers_table(results: Path) -> str:
    """Return the table of the section that the peers stand in."""
    sections = re.split(r"^## .*\n", results.read_text("utf-8"), flags=re.MULTILINE)
    return next(each.strip() + "\n" for each in sections if all(peer in each for peer in _PEERS))
