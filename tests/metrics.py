"""``python -m tests.metrics``: writes docs/metrics.md, the table of all metrics, from their declarations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from verbwire.observability.metrics import effects, groups, http, lag, process
from verbwire.observability.metrics.specs import MetricSpec

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
SUBJECTS: dict[str, Sequence[MetricSpec]] = {
    "Groups": groups.SPECS,
    "Lag": lag.SPECS,
    "Subscribers and jobs": effects.SPECS,
    "HTTP": http.SPECS,
    "Process": process.SPECS,
}
_HEAD = """# Metrics

Every worker has them at `GET /metrics` in Prometheus' text format, for the scope `verbwire:metrics` (its token:
`verbwire token --scope verbwire:metrics --days 365`), or for all with `http_open = ["metrics"]`. Beside them stand
Prometheus' own `process_*`. `group` is the group's name on the cluster. A worker tells of what it has itself: sum over
workers. Whatever is known at the start counts from zero, so that `increase()` sees the first one. No label holds a
value of a message.

`deploy/grafana/verbwire.json` is a dashboard of them, `deploy/prometheus/alerts.yml` has alert rules.

Written by `python -m tests.metrics` from `src/verbwire/observability/metrics/`.
"""


def page() -> str:
    """Return the page as the declarations have it."""
    return _HEAD + "".join(_section(title, specs) for title, specs in SUBJECTS.items())


def _section(title: str, specs: Sequence[MetricSpec]) -> str:
    lines = ["| metric | labels | what it is | what to do |", "|---|---|---|---|", *map(_line, specs)]
    return f"\n## {title}\n\n" + "".join(f"{line}\n" for line in lines)


def _line(spec: MetricSpec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels) or "-"
    return f"| `{spec.full_name}` ({spec.type}) | {labels} | {spec.meaning} | {spec.advice} |"


if __name__ == "__main__":
    PAGE.write_text(page())
