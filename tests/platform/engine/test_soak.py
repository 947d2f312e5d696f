"""A minute of the soak that `make soak` runs for an hour, with caches that are full soon; and what it calls growing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.cluster import deploy
from benchmarks.place import Place
from benchmarks.soak import Load, Sample, judge, soak
from tests.kit.cluster import Cluster

SECONDS = 75.0


@pytest.mark.kafka
@pytest.mark.chaos
def test_soak_of_a_worker_that_does_not_grow(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERBWIRE_CACHE_BYTES", "16MB")
    place = Place(cluster.bootstrap, cluster.registry_url, f"soak{time.time_ns() // 10**6}", 0, 0, 0, 0)
    deploy(place)
    assert soak(place, tmp_path, Load(), SECONDS, print) == []


def run(rss: list[float], files: int = 100, threads: int = 50) -> list[str]:
    """What is said of a run with these samples, one a second, that ends with so many descriptors and threads."""
    samples = [Sample(second, size, 100, 50) for second, size in enumerate(rss)]
    return judge(samples, Sample(len(rss), rss[-1], files, threads), warm_up=10)


def test_soak_tells_what_grows() -> None:
    full = [100.0 + second for second in range(10)]
    assert run(full + [110.0] * 50) == []
    assert run(full + [110.0 + second / 10 for second in range(50)]) == []
    assert run(full + [110.0 + second for second in range(50)]) == ["memory has grown from 114 to 154 MB"]
    assert run([100.0] * 60, files=101) == ["101 descriptors are left of 100"]
    assert run([100.0] * 60, threads=51) == ["51 threads are left of 50"]
    late = [Sample(second, 100.0, 100, 50, behind=40_000) for second in range(60)]
    assert judge(late, late[0], warm_up=10) == [
        "40000 events behind: this machine is too slow, or too busy, for the load"
    ]
