"""The alert rules and the dashboard: what they ask for is what a worker tells, and what they say can be typed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import typer.main
import yaml

from tests.dashboard import PAGE, text
from tests.platform.observability.metrics.test_metrics import everything, scraped
from verbwire.cli import app

RULES = Path(__file__).parents[4] / "deploy" / "prometheus" / "alerts.yml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
TARGET = {"job", "instance"}  # the labels that Prometheus adds
PROMETHEUS: dict[str, set[str]] = {"up": set(), "process_resident_memory_bytes": set(), "process_open_fds": set()}
PROMTOOL = shutil.which("promtool")


def selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of a query."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    for name in ("expr", "lhs", "rhs", "param"):
        if (inner := getattr(node, name, None)) is not None:
            yield from selectors(inner)
    for each in getattr(node, "args", ()):
        yield from selectors(each)


def told() -> dict[str, set[str]]:
    """The samples of a worker with the names of their labels."""
    found = scraped(everything())
    return {name: {label for labels in samples for label, _ in labels} | TARGET for name, samples in found.items()}


def wrong(query: str) -> list[str]:
    """What a query asks for that no worker tells."""
    known, found = told(), []
    for selector in selectors(promql_parser.parse(query)):
        if selector.name not in known and selector.name != "up":
            found.append(f"no metric {selector.name}")
            continue
        labels = {each.name for each in selector.matchers.matchers}
        found += [f"{selector.name} has no label {label}" for label in labels - known.get(selector.name, TARGET)]
    return found


def queries() -> list[str]:
    """The queries of the dashboard, with what Grafana puts in for its variables."""
    panels = json.loads(PAGE.read_text())["panels"]
    exprs = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [each.replace("$__rate_interval", "5m").replace("$group", ".*") for each in exprs]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_what_a_worker_tells(alert: dict[str, Any]) -> None:
    assert wrong(alert["expr"]) == []


def test_alerts_say_what_to_do_with_commands_that_there_are() -> None:
    root = typer.main.get_command(app)
    for alert in ALERTS:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert set(alert["annotations"]) == {"summary", "runbook"}
        for typed in re.findall(r"`verbwire ([a-z -]+)", alert["annotations"]["runbook"]):
            command: Any = root
            for word in typed.split():
                if word.startswith("-") or not hasattr(command, "commands"):
                    break
                assert word in command.commands, f"{alert['alert']}: there is no command `verbwire {typed}`"
                command = command.commands[word]


def test_the_dashboard_asks_for_what_a_worker_tells() -> None:
    assert len(queries()) > 30
    assert [each for query in queries() for each in wrong(query)] == []


def test_the_dashboard_is_what_is_written_down_and_fits_its_grid() -> None:
    assert PAGE.read_text() == text(), "run `python -m tests.dashboard`"
    panels = json.loads(text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_dashboard_shows_every_metric_of_groups_that_alerts_ask_for() -> None:
    shown = {selector.name for query in queries() for selector in selectors(promql_parser.parse(query))}
    asked = {selector.name for alert in ALERTS for selector in selectors(promql_parser.parse(alert["expr"]))}
    not_shown = {name for name in asked - shown if name and not name.startswith(("process_", "verbwire_http_cert"))}
    assert not_shown <= {"verbwire_lag_unknown_partitions", "verbwire_transactions_total", "verbwire_worker_info"}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here (Debian: prometheus)")
def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    bare = yaml.safe_load(RULES.read_text())
    for rule in (each for group in bare["groups"] for each in group["rules"]):
        del rule["annotations"]  # texts with figures in them are no part of what is tried here
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(bare))
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path / "test.yml")
    said = subprocess.run([str(PROMTOOL), "check", "rules", str(RULES)], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    said = subprocess.run([str(PROMTOOL), "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
