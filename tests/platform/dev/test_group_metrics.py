"""What `verbwire dev` makes of the workers' metrics."""

from __future__ import annotations

from verbwire.dev.group_metrics import count_groups, group_views
from verbwire.observability.metrics.lag import GroupLag
from verbwire.observability.metrics.registry import Metrics


def exposition(handled: int, running: int = 6, unknown: int = 0) -> str:
    """What a worker tells that hosts an engine's group and a subscriber."""
    metrics = Metrics()
    table = metrics.group("home.lights")
    table.committed(handled, 0.1)
    table.states({"running": running, "stopped": 6 - running})
    table.dead_lettered("failed", 2)
    metrics.effects("home.bells")
    metrics.lags(lambda: {"home.bells": GroupLag({"home.a": 1, "home.b": 3}, 2.5, unknown)})
    return metrics.exposition().decode()


def test_dev_groups_are_summed_over_workers_and_rates_are_of_two_looks() -> None:
    before, now = count_groups([exposition(10)]), count_groups([exposition(30), exposition(5, running=5)])
    lights = group_views(now, before, 5.0, {"home.lights": {"3": "it broke"}})["home.lights"]
    assert (lights.handled, lights.rate, lights.dead_letters) == (35, 5.0, 4)
    assert lights.state == "11 running, 1 stopped"
    assert lights.stopped == {"3": "it broke"}
    assert group_views(now, before, 5.0, {})["home.bells"].lag == 8
    one_unknown = count_groups([exposition(30), exposition(5, unknown=1)])
    assert group_views(one_unknown, before, 5.0, {})["home.bells"].lag is None


def test_dev_rate_of_a_worker_that_was_started_again_is_unknown_and_so_is_lag_that_nobody_tells() -> None:
    before, now = count_groups([exposition(10)]), count_groups([exposition(4)])
    assert group_views(now, before, 5.0, {})["home.lights"].rate is None
    assert group_views(now, {}, 5.0, {})["home.lights"].rate is None
    nobody = count_groups(['verbwire_records_total{group="g"} 1.0\n'])["g"]
    assert (nobody.lag, nobody.handled) == (None, 1)
    assert count_groups([]) == {}
