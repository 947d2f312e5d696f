"""Fixtures for all tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.cluster import Cluster, running_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Kafka and a real registry, one for the whole run."""
    with running_cluster(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def unique() -> str:
    """A prefix of this test alone, lower-case: tests never share topics, groups or subjects."""
    return f"t{uuid.uuid4().hex[:10]}"
