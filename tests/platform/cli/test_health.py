"""``verbwire health``: one word and 0 where a worker is ready; else its reason and 1, in bounded time."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.http import Group, Http, serving

CLI = ("-c", "from verbwire.cli import main; main()")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text("[tool.verbwire]\n", "utf-8")
    return folder


@pytest.fixture
def group() -> Group:
    return Group()


@pytest.fixture
def http(group: Group) -> Iterator[Http]:
    with serving(groups=[group]) as running:
        yield running


def asked(project: Path, port: int | None, *options: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, *CLI, "health", f"--port={port}", *options],
        cwd=project,
        env={"PATH": "", "http_proxy": "http://127.0.0.1:1"},  # a proxy of the place is not asked
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stdout


def test_a_worker_that_is_ready_needs_no_token_to_say_so(project: Path, http: Http) -> None:
    assert asked(project, http.operator.base_url.port) == (0, "ready\n")
    assert asked(project, http.operator.base_url.port, "--live") == (0, "live\n")


def test_health_tells_what_is_missing_by_group(project: Path, http: Http, group: Group) -> None:
    group.missing = ["partition 3: restoring"]
    code, said = asked(project, http.operator.base_url.port)
    assert code == 1
    assert f"{group.name}: partition 3: restoring" in said
    assert asked(project, http.operator.base_url.port, "--live")[0] == 0


def test_a_worker_that_does_not_answer_is_not_waited_for(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port, began = silent.getsockname()[1], time.monotonic()
        code, said = asked(project, port, "--seconds=0.2")
        assert (code, "does not answer" in said) == (1, True)
        assert time.monotonic() - began < 10
    assert asked(project, port)[0] == 1
    assert "--port" in asked(project, 0)[1]
