"""Fixtures for all tests, and how a run is spread over several processes (`make test` does so).

Most tests wait, for brokers, sessions, restarts: three processes on two cores need half the time of one. The broker is
still one for the whole run: the first process starts it, the others find it in their environment.
"""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from tests.kit.cluster import Cluster, running_cluster
from verbwire.security.hosts import are_loopback

# What takes longest begins first, so that no process is left alone with it at the end.
LONG = (
    "platform/worker/test_life.py",
    "faults/test_faults.py",
    "faults/test_planted_bugs.py",
    "platform/inspection/test_running_project.py",
    "platform/inspection/test_histories.py",
    "platform/worker/test_company.py",
    "platform/embedded/test_stack.py",
    "platform/kafka/test_connectivity_guarded.py",
    "platform/worker/test_rolling_versions.py",
    "test_documentation.py",
    "test_demo.py",
    "faults/test_faults_orders.py",
    "faults/test_whole_shop.py",
    "platform/subscribers/test_group.py",
    "platform/http/commands/test_endpoint.py",
    "platform/testing/test_pytest_plugin.py",
)
_ORDER = {Path(__file__).parent / name: number for number, name in enumerate(LONG)}
_shared = ExitStack()

# How long one example takes tells how busy the machine is: three processes share it.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")

# A shell that starts us in the background lets us, and so our children, ignore what tests send to them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the cluster of a run in several processes, before they are started."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None) or config.option.collectonly:
        return
    if "not kafka" in config.option.markexpr:
        return
    folder = _shared.enter_context(tempfile.TemporaryDirectory(prefix="verbwire-tests-", ignore_cleanup_errors=True))
    running = _shared.enter_context(running_cluster(Path(folder)))
    os.environ["VERBWIRE_BOOTSTRAP"], os.environ["VERBWIRE_REGISTRY"] = running.bootstrap, running.registry_url


def pytest_sessionfinish() -> None:
    """Stop it."""
    _shared.close()


@pytest.hookimpl(tryfirst=True)  # before pytest takes out what was not asked for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever takes the cluster as `kafka`. Put the long ones first; otherwise the order stays."""
    for item in items:
        if isinstance(item, pytest.Function) and "cluster" in item.fixturenames:
            item.add_marker("kafka")
    items.sort(key=lambda item: _ORDER.get(item.path, len(LONG)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Spell out what a test has logged of bytes that are no text: between processes only text can travel."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Kafka and a real registry, one for the whole run."""
    with running_cluster(tmp_path_factory.mktemp("stack")) as running:
        if not are_loopback(running.bootstrap):  # the tests' workers sign their tokens with secrets of their own
            os.environ["VERBWIRE_HTTP_DEVELOPMENT"] = "anywhere"
        yield running


@pytest.fixture
def unique() -> str:
    """A prefix of this test alone, lower-case: tests never share topics, groups or subjects."""
    return f"t{uuid.uuid4().hex[:10]}"
