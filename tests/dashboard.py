"""``python -m tests.dashboard``: writes deploy/grafana/verbwire.json, the dashboard of a project's workers.

For Grafana 10 and newer (schema version 39). Panels are laid out from left to right, 24 columns a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "deploy" / "grafana" / "verbwire.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GROUP, RATE = '{group=~"$group"}', "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """One panel: its title, what it says to who looks, its queries with their legends."""

    title: str
    about: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    red: float | None = None  # from this value on it is red
    stacked: bool = False


def _of(metric: str, more: str = "") -> str:
    return f'{metric}{{group=~"$group"{more}}}'


def _rate(metric: str, more: str = "") -> str:
    return f"rate({_of(metric, more)}{RATE})"


def _percentile(metric: str, by: str, selector: str) -> str:
    return f"histogram_quantile(0.99, sum by ({by}, le) (rate({metric}_bucket{selector}{RATE})))"


def _stat(title: str, about: str, query: str, red: float = 1, unit: str = "short") -> Panel:
    return Panel(title, about, [(query, "")], unit, "stat", 4, 4, red)


_PARTITIONS = "sum by (state) (" + _of("verbwire_partitions") + ")"
ROWS: dict[str, list[Panel]] = {
    "At a glance": [
        _stat("Workers", "Those that can be scraped.", 'sum(up{job="verbwire"})', 1e9),
        _stat(
            "Stopped partitions",
            "They wait for an operator: `verbwire status` says why.",
            "sum(" + _of("verbwire_partitions", ',state=~"stopped|retrying"') + ")",
        ),
        _stat(
            "Partitions at no worker",
            "Too few workers, or a rebalance under way.",
            "sum(max by (group) (" + _of("verbwire_group_partitions") + ")) - "
            "sum(" + _of("verbwire_partitions", ',state!~"closed|suspended"') + ")",
        ),
        _stat("Lag", "The oldest record that waits, in any group.", f"max({_of('verbwire_lag_seconds')})", 60, "s"),
        _stat(
            "Dead letters, a day",
            "`verbwire dead-letters list`.",
            f"sum(increase({_of('verbwire_dead_letters_total')}[24h]))",
        ),
        _stat(
            "Kafka not reached by", "Workers that do not reach it.", "count(verbwire_kafka_reached == 0) or vector(0)"
        ),
    ],
    "Groups": [
        Panel(
            "Lag in seconds",
            "Age of the oldest record that waits.",
            [(f"max by (group) ({_of('verbwire_lag_seconds')})", "{{group}}")],
            "s",
        ),
        Panel(
            "Lag in records",
            "By group and input.",
            [(f"sum by (group, topic) ({_of('verbwire_lag_records')})", "{{group}} {{topic}}")],
        ),
        Panel(
            "Records a second",
            "Handled, by group.",
            [(f"sum by (group) ({_rate('verbwire_records_total')})", "{{group}}")],
            "cps",
        ),
        Panel("Partitions by state", "Of all groups that are shown.", [(_PARTITIONS, "{{state}}")], stacked=True),
        Panel(
            "Restore: records to read",
            "Beside it the rows restored a second.",
            [
                (f"sum by (group) ({_of('verbwire_restore_remaining_records')})", "{{group}} to read"),
                (f"sum by (group) ({_rate('verbwire_restore_rows_total')})", "{{group}} a second"),
            ],
        ),
        Panel(
            "Catching up",
            'Records until answers say `"complete": true`.',
            [(f"sum by (group) ({_of('verbwire_catch_up_records')})", "{{group}}")],
        ),
    ],
    "Commands": [
        Panel(
            "Outcomes a second",
            "By status.",
            [(f"sum by (status) ({_rate('verbwire_outcomes_total')})", "{{status}}")],
            "cps",
            stacked=True,
        ),
        Panel(
            "Rejections a second",
            "By command and code.",
            [
                (
                    "sum by (command, code) (" + _rate("verbwire_outcomes_total", ',status="rejected"') + ") > 0",
                    "{{command}} {{code}}",
                )
            ],
            "cps",
        ),
        Panel(
            "Failed, expired, repeated",
            "Failed: a handler raised. Repeated: an id that was known.",
            [
                (
                    "sum by (command, status) ("
                    + _rate("verbwire_outcomes_total", ',status=~"failed|expired"')
                    + ") > 0",
                    "{{command}} {{status}}",
                ),
                (f"sum by (group) ({_rate('verbwire_duplicates_total')}) > 0", "{{group}} repeated"),
            ],
            "cps",
        ),
    ],
    "Engine": [
        Panel(
            "How busy",
            "Share of the time that a group's thread builds transactions. Near 1 it is the limit: more workers.",
            [(_rate("verbwire_batch_seconds_sum"), "{{group}} {{instance}}")],
            "percentunit",
        ),
        Panel(
            "Commit (99 %)",
            "From the flush to the local write.",
            [(_percentile("verbwire_commit_seconds", "group", GROUP), "{{group}}")],
            "s",
        ),
        Panel(
            "Aborted transactions, an hour",
            "By reason: rebalances, the broker, a record that is refused.",
            [(f"sum by (group, reason) (increase({_of('verbwire_aborts_total')}[1h])) > 0", "{{group}} {{reason}}")],
        ),
        Panel(
            "Resets, late events, an hour",
            "Partitions started over; events that came after their window.",
            [
                (f"sum by (group) (increase({_of('verbwire_resets_total')}[1h])) > 0", "{{group}} resets"),
                (f"sum by (group) (increase({_of('verbwire_late_total')}[1h])) > 0", "{{group}} late"),
            ],
        ),
        Panel(
            "Longest handler that runs",
            "Of a table or an aggregate it holds up its group.",
            [(_of("verbwire_handler_running_seconds") + " > 0", "{{group}} {{instance}}")],
            "s",
        ),
        Panel(
            "Rows",
            "Of a process: its open instances.",
            [(f"sum by (group) ({_of('verbwire_table_rows')})", "{{group}}")],
        ),
        Panel(
            "Oldest open process instance",
            "Since its last step: `verbwire processes list` says what it waits for.",
            [(f"max by (group) ({_of('verbwire_oldest_instance_seconds')})", "{{group}}")],
            "s",
        ),
    ],
    "Subscribers and jobs": [
        Panel(
            "Handlers (99 %)",
            "With the acknowledgement of what they sent.",
            [(_percentile("verbwire_handler_seconds", "group", GROUP), "{{group}}")],
            "s",
        ),
        Panel(
            "In flight",
            "Fetched and not finished.",
            [(f"sum by (group) ({_of('verbwire_in_flight_records')})", "{{group}}")],
        ),
        Panel(
            "Retries and dead letters, an hour",
            "A record whose retries are used up becomes a dead letter.",
            [
                (f"sum by (group, reason) (increase({_of('verbwire_retries_total')}[1h])) > 0", "{{group}} {{reason}}"),
                (
                    f"sum by (group, reason) (increase({_of('verbwire_dead_letters_total')}[1h])) > 0",
                    "{{group}} dead letters {{reason}}",
                ),
            ],
        ),
        Panel(
            "Parked records",
            "Of keys that cannot go on: one record cannot be handled, the others wait behind it.",
            [
                (f"sum by (group) ({_of('verbwire_parked_records')}) > 0", "{{group}} records"),
                (f"sum by (group) ({_of('verbwire_parked_keys')}) > 0", "{{group}} keys"),
            ],
        ),
        Panel(
            "Commands for later",
            "That wait for their time.",
            [(f"sum by (group) ({_of('verbwire_scheduled_pending')})", "{{group}}")],
        ),
        Panel(
            "Overdue",
            "For how long deadlines, commands for later or schedules have been due and are not fired.",
            [(f"max by (group) ({_of('verbwire_due_overdue_seconds')})", "{{group}}")],
            "s",
        ),
        Panel(
            "Jobs",
            "What they say of their progress.",
            [(_of("verbwire_job_progress_ratio"), "{{group}}/{{partition}}")],
            "percentunit",
        ),
    ],
    "HTTP": [
        Panel(
            "Requests a second",
            "By route.",
            [(f"sum by (route) (rate(verbwire_http_requests_total{RATE})) > 0", "{{route}}")],
            "reqps",
        ),
        Panel(
            "Errors a second",
            "4xx and 5xx by route.",
            [
                (
                    f'sum by (route, status) (rate(verbwire_http_requests_total{{status=~"[45].."}}{RATE})) > 0',
                    "{{route}} {{status}}",
                )
            ],
            "reqps",
        ),
        Panel(
            "Time (99 %)",
            "Commands wait for their outcome as long as was asked for.",
            [(_percentile("verbwire_http_seconds", "route", ""), "{{route}}")],
            "s",
        ),
    ],
    "Process": [
        Panel(
            "Memory",
            "Resident, and what of it are cached rows.",
            [
                ('process_resident_memory_bytes{job="verbwire"}', "{{instance}}"),
                ("verbwire_cache_bytes", "{{instance}} rows"),
            ],
            "bytes",
        ),
        Panel("Processor", "Cores.", [(f'rate(process_cpu_seconds_total{{job="verbwire"}}{RATE})', "{{instance}}")]),
        Panel(
            "Rows found in memory",
            "Low: raise `cache_bytes`.",
            [
                (
                    f"sum(rate(verbwire_cache_hits_total{RATE})) / "
                    f"(sum(rate(verbwire_cache_hits_total{RATE})) + sum(rate(verbwire_cache_misses_total{RATE})))",
                    "found",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Local copies",
            "Bytes on disk, by group.",
            [(f"sum by (group) ({_of('verbwire_table_bytes')})", "{{group}}")],
            "bytes",
        ),
    ],
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "verbwire",
        "title": "verbwire",
        "description": "Workers, groups, commands and HTTP of a project. docs/metrics.md says what each metric is.",
        "tags": ["verbwire", "kafka"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _groups()]},
        "annotations": {"list": []},
        "panels": list(_panels()),
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=1) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _groups() -> dict[str, Any]:
    query = "label_values(verbwire_group_partitions, group)"
    return {
        "name": "group",
        "label": "Group",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "groups"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "hide": 0,
    }


def _panels() -> Iterator[dict[str, Any]]:
    top, number = 0, 1
    for title, panels in ROWS.items():
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, top, 24, 1),
        }
        top, left, number = top + 1, 0, number + 1
        for panel in panels:
            if left + panel.width > 24:
                top, left = top + panel.height, 0
            yield _panel(panel, number, _at(left, top, panel.width, panel.height))
            left, number = left + panel.width, number + 1
        top += panels[-1].height


def _at(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    custom = {"fillOpacity": 10, "showPoints": "never", "stacking": {"mode": "normal" if panel.stacked else "none"}}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
    if panel.kind == "timeseries":
        defaults["custom"] = custom
        options = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto"}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text())
