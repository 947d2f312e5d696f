"""The fixtures for users' projects, in a project as its user has it: a folder, and pytest run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import verbwire
from tests.kit.bank import SAMPLES
from tests.kit.cluster import Cluster
from tests.kit.worker import CONSUMERS, STREAMS

TESTS = """
import os
from schemas.jars import CoinsPut, PutCoins, TakeCoins
from verbwire import Accepted, Rejected
from verbwire.client import Client
from verbwire.testing import RunningProject

def test_a_coin_is_in_its_jar(verbwire_project: RunningProject) -> None:
    with verbwire_project.client("ann", ["jars:write"]) as client:
        assert client.ask(PutCoins(jar_id="a", pence=5)).result(30) == Accepted()
        seen = {"Verbwire-Position": client.positions.header()}
    row = verbwire_project.http("ann", ["verbwire:operator"]).get("/tables/bank.jars/a", headers=seen)
    assert (row.status_code, row.json()["pence"]) == (200, 5)
    assert verbwire_project.http(None).get("/tables").status_code == 401

def test_the_process_is_part_of_the_run(verbwire_project: RunningProject) -> None:
    assert os.environ["VERBWIRE_PREFIX"] == verbwire_project.prefix
    with Client() as client:
        position = client.publish(CoinsPut(jar_id="b", pence=1)).result(30)
    assert position.topic == f"{verbwire_project.prefix}.bank.jars.events"

def test_a_worker_that_was_killed_goes_on(verbwire_project: RunningProject) -> None:
    verbwire_project.stop_worker(kill=True)
    with verbwire_project.client("ann", ["jars:write"]) as client:
        pending = client.ask(TakeCoins(jar_id="a", pence=5))
        verbwire_project.start_worker()
        assert pending.result(60) == Rejected("not_enough")
"""
STACK = """
def test_the_stack_alone(verbwire_stack) -> None:
    print(f"{verbwire_stack.bootstrap} {verbwire_stack.registry_url}")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project, whose tests are yet to be written."""
    shutil.copytree(SAMPLES, tmp_path / "schemas")
    for name, text in {
        "pyproject.toml": '[tool.verbwire]\nproject = "bank"\npartitions = 2\n\n[tool.pytest]\npythonpath = ["."]\n',
        "consumers/jars.py": CONSUMERS,
        "streams/jars.py": STREAMS,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(project: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project."""
    (project / "test_it.py").write_text(text)
    installed = any(each.value == "verbwire.pytest_plugin" for each in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "verbwire.pytest_plugin"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VERBWIRE_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:schemathesis", *plugin],
        cwd=project,
        env={**clean, "PYTHONPATH": str(Path(verbwire.__file__).parents[1]), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_project_is_deployed_and_run(project: Path, cluster: Cluster) -> None:
    ran = run(project, TESTS, VERBWIRE_BOOTSTRAP=cluster.bootstrap, VERBWIRE_REGISTRY=cluster.registry_url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout


@pytest.mark.chaos
@pytest.mark.kafka
def test_a_project_is_deployed_and_run_on_an_embedded_stack(project: Path) -> None:
    ran = run(project, TESTS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout


def test_a_stack_that_is_there_is_used(project: Path, cluster: Cluster) -> None:
    there = {"VERBWIRE_BOOTSTRAP": cluster.bootstrap, "VERBWIRE_REGISTRY": cluster.registry_url}
    ran = run(project, STACK, **there)
    assert f"{cluster.bootstrap} {cluster.registry_url}" in ran.stdout, ran.stdout + ran.stderr


def test_half_an_address_is_refused(project: Path) -> None:
    ran = run(project, STACK, VERBWIRE_BOOTSTRAP="127.0.0.1:1")
    assert "set both VERBWIRE_BOOTSTRAP and VERBWIRE_REGISTRY, or neither" in ran.stdout


def test_loading_the_plugin_is_cheap() -> None:
    code = "import sys, pytest; before = {*sys.modules}; import verbwire.pytest_plugin; print(*{*sys.modules} - before)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"confluent_kafka", "fastavro", "httpx2", "jwt", "starlette"} & {each.split(".")[0] for each in loaded}
