"""Metrics as scraped: what is declared is there, counts from zero, and stands in docs/metrics.md."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.metrics import PAGE, SUBJECTS, page
from verbwire.observability.metrics.effects import EffectMetrics
from verbwire.observability.metrics.lag import GroupLag
from verbwire.observability.metrics.process import TableSize
from verbwire.observability.metrics.registry import Metrics
from verbwire.observability.metrics.specs import MetricSpec

GROUP = "shop.orders"


class Usage:
    used, hits, misses, evictions = 1, 2, 3, 4


def everything() -> Metrics:
    """What a worker shows that has one of each kind, and has done nothing yet."""
    metrics = Metrics()
    group: EffectMetrics = metrics.effects(GROUP)
    group.receives({"shop.orders.PlaceOrder": ["unknown_customer"]})
    group.has_partitions(12)
    group.states({"running": 12, "stopped": 0})
    group.job_progress(3, 0.5)
    group.aborted("_TIMED_OUT")
    group.fired([0.2])
    group.dues(lambda: 0.0)
    group.counted({("scheduled", "taken"): 1})
    group.table(lambda: 0, lambda: 0)
    group.parks(lambda: (0, 0, 0.0))
    metrics.running(GROUP)(0)
    metrics.http.serves(["/queries/{name}"])
    metrics.http.certificate(lambda: 1.0, lambda: False)
    metrics.process.worker("w1", "1.0")
    metrics.process.kafka(lambda: True)
    metrics.process.memory({"rows": 7}, Usage)
    metrics.process.tables(lambda: {GROUP: TableSize(5, 4096, oldest_step=0.0, pending=0)})
    metrics.lags(lambda: {GROUP: GroupLag({"shop.orders.commands": 3}, 1.5, 2)})
    return metrics


def scraped(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The samples by name and labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


ALL = [spec for specs in SUBJECTS.values() for spec in specs]


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_each_metric_is_scraped_with_the_labels_that_it_is_declared_with(spec: MetricSpec) -> None:
    found = scraped(everything())
    name = f"{spec.full_name}_count" if spec.type == "histogram" else spec.full_name
    assert name in found
    for labels in found[name]:
        assert {label for label, _ in labels} == set(spec.labels)


def test_metrics_that_are_scraped_are_all_declared() -> None:
    declared = {spec.full_name for spec in ALL}
    families = text_string_to_metric_families(everything().exposition().decode())
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert {name for name in names if name.startswith("verbwire_")} == declared


def test_metrics_count_from_zero_whatever_is_known_at_the_start() -> None:
    found = scraped(everything())
    outcomes = {
        (dict(labels)["status"], dict(labels)["code"]): n for labels, n in found["verbwire_outcomes_total"].items()
    }
    assert outcomes == {("accepted", ""): 0, ("failed", ""): 0, ("expired", ""): 0, ("rejected", "unknown_customer"): 0}
    assert found["verbwire_dead_letters_total"][("group", GROUP), ("reason", "undecodable")] == 0
    assert found["verbwire_transactions_total"][("group", GROUP), ("result", "committed")] == 0
    assert found["verbwire_http_requests_total"][("route", "/queries/{name}"), ("status", "503")] == 0
    assert found["verbwire_retries_total"][("group", GROUP), ("reason", "obstructed")] == 0


def test_metrics_of_outcomes_have_no_label_that_a_record_has_chosen() -> None:
    metrics = everything()
    group = metrics.group(GROUP)
    group.receives({"shop.orders.PlaceOrder": []})
    for number in range(100):
        group.counted({("outcome", f"made.up.Type{number}", "failed", ""): 1})
    commands = {dict(labels)["command"]: n for labels, n in scraped(metrics)["verbwire_outcomes_total"].items()}
    assert commands["none"] == 100
    assert set(commands) == {"none", "shop.orders.PlaceOrder"}


def test_the_metrics_page_is_what_is_declared() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.metrics`"


def test_the_oldest_instance_is_told_of_processes_alone_and_is_no_age_where_none_is_open() -> None:
    metrics = Metrics()
    metrics.process.tables(lambda: {"idle": TableSize(0, 0, math.inf), "table": TableSize(5, 4096)})
    assert scraped(metrics)["verbwire_oldest_instance_seconds"] == {(("group", "idle"),): 0.0}
