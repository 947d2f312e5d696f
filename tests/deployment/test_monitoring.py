"""Prometheus and Grafana beside the compose file: that what one names, the other has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.files import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
PROMETHEUS = ROOT / "deploy/prometheus/prometheus.yml"
PROVISIONING = ROOT / "deploy/grafana/provisioning"
PROMTOOL = shutil.which("promtool")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def mounted(service: str) -> dict[str, str]:
    """Where a service has what: its folders by theirs."""
    pairs = [each.split(":")[:2] for each in SERVICES[service]["volumes"]]
    return {there: here for here, there in pairs}


def test_monitoring_scrapes_every_worker_of_the_compose_file_by_the_token_written_for_it() -> None:
    (job,) = read(PROMETHEUS)["scrape_configs"]
    assert job["job_name"] in re.findall(r'job="(\w+)"', (PROMETHEUS.parent / "alerts.yml").read_text("utf-8"))
    (found,) = job["dns_sd_configs"]
    workers = {name for name, each in SERVICES.items() if "worker" in each.get("command", [])}
    assert set(found["names"]) == workers
    folder, _, file = job["authorization"]["credentials_file"].rpartition("/")
    assert mounted("prometheus")[folder] == mounted("metrics-token")["/data"]
    script = SERVICES["metrics-token"]["command"][-1]
    assert f"/data/{file}" in script
    assert "--scope verbwire:metrics" in script


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here (Debian: prometheus)")
def test_monitoring_configuration_passes_promtool() -> None:
    said = subprocess.run(
        [str(PROMTOOL), "check", "config", "--syntax-only", PROMETHEUS], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    rules = read(PROMETHEUS)["rule_files"]
    assert all((PROMETHEUS.parent / each).is_file() for each in rules)


def test_monitoring_gives_grafana_its_source_and_the_dashboard() -> None:
    (source,) = read(PROVISIONING / "datasources/prometheus.yml")["datasources"]
    assert (source["type"], source["isDefault"], source["url"]) == ("prometheus", True, "http://prometheus:9090")
    (provider,) = read(PROVISIONING / "dashboards/verbwire.yml")["providers"]
    there = mounted("grafana")
    assert (ROOT / there[provider["options"]["path"]] / "verbwire.json").is_file()
    for each in ("datasources", "dashboards"):
        assert (ROOT / there[f"/etc/grafana/provisioning/{each}"]).resolve() == PROVISIONING / each


def test_monitoring_is_started_only_when_asked_for_and_open_on_this_machine_alone() -> None:
    apart = {name for name, each in SERVICES.items() if each.get("profiles") == ["monitoring"]}
    assert apart == {"metrics-token", "prometheus", "grafana"}
    ports = [port for each in SERVICES.values() for port in each.get("ports", [])]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:${") for port in ports)
