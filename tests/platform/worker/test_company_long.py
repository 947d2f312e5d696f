"""Long runs of several workers that are killed, stopped, cut off and replaced at random: `make chaos`."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.cluster import Cluster
from tests.kit.company import NAMES, Company, company_of, lists_are_whole, nothing_wrong
from tests.kit.read_load import reading_under_load

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

SECONDS = 180.0


@pytest.fixture
def company(cluster: Cluster, tmp_path: Path) -> Iterator[Company]:
    with company_of(cluster, tmp_path) as opened:
        yield opened


def kill(company: Company, name: str, seconds: float) -> None:
    company.running[name].process.kill()
    company.running[name].process.wait()
    time.sleep(seconds / 4)
    company.running[name] = company.start(name)


def replace(company: Company, name: str, seconds: float) -> None:
    company.running[name].ends(signal.SIGTERM, 30)
    time.sleep(seconds / 4)
    company.running[name] = company.start(name)


def stop(company: Company, name: str, seconds: float) -> None:
    process = company.running[name].process
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


def cut_off(company: Company, name: str, seconds: float) -> None:
    company.cut(name).touch()
    time.sleep(seconds)
    company.cut(name).unlink()


FAULTS: list[Callable[[Company, str, float], None]] = [kill, replace, stop, cut_off]


def test_forwarding_gives_the_right_answer_or_none_for_minutes(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", time.time()))
    chance, end, done = random.Random(seed), time.monotonic() + SECONDS, []  # noqa: S311 (not for secrets)
    with reading_under_load(company.counters, company.urls()) as readers:
        while time.monotonic() < end:
            fault, name, seconds = chance.choice(FAULTS), chance.choice(NAMES), chance.uniform(1, 14)
            done.append(f"{fault.__name__} {name} {seconds:.1f}")
            fault(company, name, seconds)
            time.sleep(chance.uniform(0, 3))
        company.ready()
        lists_are_whole(*readers.values())
    with capsys.disabled():
        print(f"\nCHAOS_SEED={seed}: {'; '.join(done)}")
        for group in readers.values():
            print(*(f"{reader.name} {dict(reader.told)}" for reader in group), sep="\n")
    nothing_wrong(readers)
    for running in company.running.values():
        running.has(dict(company.counters.sent))
