"""A worker whose registry does not know what it has given out: it says so, waits, and loses nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.kit.bank import RECEIVER, Bank
from tests.kit.cluster import Cluster
from tests.kit.http import problem
from tests.kit.registry_proxy import Hiding, hiding
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.worker import SECRET, Branch, branch
from tests.platform.wire.registry.test_unknown_ids import NOTHING_BY_ID
from verbwire.security.tokens import mint_token

pytestmark = pytest.mark.kafka


@pytest.fixture
def bank(cluster: Cluster) -> Iterator[Bank]:
    opened = Bank(cluster, f"r{uuid.uuid4().hex[:10]}", 1)
    yield opened
    opened.close()


@pytest.fixture
def registry(cluster: Cluster) -> Iterator[Hiding]:
    with hiding(cluster.registry_url, "^$") as proxy:
        yield proxy


@pytest.fixture
def project(bank: Bank, registry: Hiding, tmp_path: Path) -> Iterator[Branch]:
    (tmp_path / "project").mkdir()
    with branch(tmp_path / "project", bank) as opened:
        opened.environment["VERBWIRE_REGISTRY"] = registry.url
        yield opened


def test_commands_wait_for_a_registry_that_lacks_their_schema(bank: Bank, registry: Hiding, project: Branch) -> None:
    registry.hidden = NOTHING_BY_ID
    worker = project.start("consumers").ready()
    bank.send(PutCoins(jar_id="a", pence=3), 0, id="c1")
    worker.until(lambda: worker.get("/health/ready")[0] == 503)
    groups = worker.get("/health/ready")[1]["groups"]
    assert "the schema registry is waited for" in groups[f"{bank.names.prefix}.{RECEIVER}"][0]
    worker.until(lambda: "lists schema" in worker.said())
    registry.hidden = "^$"
    worker.ready().until(lambda: [line.status.value for line in bank.outcomes(0)] == ["ACCEPTED"])
    assert not bank.dead_letters(0)
    assert "goes to the dead letters" not in worker.said()


def test_http_says_that_it_is_the_registry(registry: Hiding, project: Branch) -> None:
    worker = project.start("consumers", VERBWIRE_REGISTRY_CLIENT="max.retries=0;timeout=1").ready()
    registry.failing = True
    headers = {"Authorization": f"Bearer {mint_token(SECRET, 'ann', ())}"}
    answer = httpx.post(f"{worker.url()}/commands/PutCoins", json={"jar_id": "a", "pence": 1}, headers=headers)
    detail = problem(answer, 503, "no_schema")["detail"]
    assert "the schema registry, which has its schema, does not answer" in detail
    assert "Kafka" not in detail
