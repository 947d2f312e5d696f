"""Fixtures for all tests, and how a run is spread over several processes (`make test` does so).

Most tests wait, for brokers, sessions, restarts: four processes on two cores need less than half the time of one. The
broker is still one for the whole run: the first process starts it, the others find it in their environment.
"""

from __future__ import annotations

import gc
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
    "platform/inspection/test_running_project.py",
    "platform/inspection/test_histories.py",
    "faults/test_faults.py",
    "platform/kafka/test_connectivity_guarded.py",
    "faults/test_planted_bugs.py",
    "test_documentation.py",
    "test_demo.py",
    "platform/embedded/test_stack.py",
    "platform/client/test_producing.py",
    "platform/engine/test_topic_watch.py",
    "platform/deploy/test_deployment.py",
    "platform/dead_letters/test_requeue.py",
    "platform/worker/test_scheduler.py",
    "platform/subscribers/test_group.py",
    "platform/engine/test_process.py",
    "platform/acls/test_guarded_cluster.py",
    "platform/worker/test_company.py",
    "platform/worker/test_rolling_versions.py",
    "platform/engine/test_record_limits.py",
    "platform/http/commands/test_endpoint.py",
    "platform/engine/test_aggregate_grants.py",
    "platform/subscribers/test_worker.py",
    "platform/subscribers/test_job_outcomes.py",
    "platform/engine/test_faust_consumer.py",
    "platform/engine/test_restore.py",
    "test_importer.py",
    "faults/test_whole_shop.py",
    "faults/test_faults_orders.py",
    "platform/client/test_asking.py",
    "platform/wire/test_foreign_clients.py",
    "platform/dev/test_dev.py",
    "platform/worker/test_registry.py",
    "platform/engine/test_code_versions.py",
    "platform/engine/test_exchange.py",
    "test_own_writes.py",
    "platform/engine/test_failed_transactions.py",
    "platform/discovery/test_directory.py",
    "platform/http/operations/test_openapi_fuzz.py",
    "platform/engine/test_transactions.py",
    "platform/subscribers/test_parking.py",
    "platform/testing/test_pytest_plugin.py",
    "platform/engine/test_repartition.py",
    "platform/http/serving/test_tls.py",
    "test_shop.py",
    "platform/wire/avro/test_compiled.py",
    "platform/client/test_asking_real_receiver.py",
    "platform/discovery/test_trust.py",
)
_ORDER = {Path(__file__).parent / name: number for number, name in enumerate(LONG)}
_shared = ExitStack()

# How long one example takes tells how busy the machine is: several processes share it. Each run draws others, so that
# fewer of them at once are as many in a week.
hypothesis.settings.register_profile("busy", deadline=None, max_examples=40)
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage meanwhile, nor later in what was imported: it stays, and is most of what there is."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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
