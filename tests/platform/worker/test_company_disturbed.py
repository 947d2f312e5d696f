"""Several workers that are killed, stopped and cut off once each, while others ask for everything: `make chaos`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cluster import Cluster, eventually
from tests.kit.company import JARS, PARTITIONS, RECOVERY, Company, company_of, lists_are_whole, nothing_wrong
from tests.kit.read_load import read_as_it_resumes, reading_under_load
from verbwire.wire.partitioner import partition_of

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]


@pytest.fixture
def company(cluster: Cluster, tmp_path: Path) -> Iterator[Company]:
    with company_of(cluster, tmp_path) as opened:
        yield opened


def test_forwarding_gives_the_right_answer_or_none_whatever_happens_to_workers(company: Company) -> None:
    """One is killed, one is cut off from its group, one stopped for longer than its session.

    The last one finds requests when it wakes, and others that are far ahead of it.
    """
    for jar in JARS:
        company.counters.put(jar)
    with reading_under_load(company.counters, company.urls()) as readers:
        eventually(lambda: len(company.counters.seen) == len(JARS), RECOVERY)
        lists_are_whole(*readers.values())
        stopped, its = company.running["w3"].process, company.here("w3")
        company.running["w2"].process.kill()
        company.cut("w4").touch()
        stopped.send_signal(signal.SIGSTOP)
        try:
            eventually(lambda: company.here("w1") == list(range(PARTITIONS)), RECOVERY)
            lists_are_whole(readers["w1"], readers["w4"])  # by way of the first
            jars = [jar for jar in JARS if partition_of(jar.encode(), PARTITIONS) in its]
            read_as_it_resumes(readers["w3"][0], jars * 8, lambda: stopped.send_signal(signal.SIGCONT))
        finally:
            stopped.send_signal(signal.SIGCONT)
            company.cut("w4").unlink()
        company.running["w2"] = company.start("w2")
        company.ready()
        lists_are_whole(*readers.values())
    nothing_wrong(readers)
    for running in company.running.values():
        running.has(dict(company.counters.sent))
