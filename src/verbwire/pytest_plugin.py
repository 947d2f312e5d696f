"""pytest's plugin: fixtures that give the tests of a project a Kafka, and the project deployed and running on it.

Loaded by pytest in every run where verbwire is installed (entry point ``pytest11``), so it imports nothing until a
fixture is asked for; ``-p no:verbwire`` leaves it out. :func:`verbwire_project` is the one that most tests want.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verbwire.embedded import Addresses
    from verbwire.testing.running import RunningProject

SCOPES = ("session", "package", "module", "class", "function")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of how long a running project serves."""
    parser.addini("verbwire_project_scope", "how long verbwire_project runs: session, module or function", default="")
    parser.addini("verbwire_groups", "the groups or folders that its worker hosts; default: all", type="args")


def _scope(fixture_name: str, config: pytest.Config) -> Any:  # noqa: ARG001 (pytest passes both by name)
    scope = str(config.getini("verbwire_project_scope") or "session")
    if scope not in SCOPES:
        raise pytest.UsageError(f"verbwire_project_scope is {scope!r}: use one of {', '.join(SCOPES)}")
    return scope


@pytest.fixture(scope="session")
def verbwire_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """The addresses of a Kafka and a schema registry, for the whole run.

    Those of ``VERBWIRE_BOOTSTRAP`` and ``VERBWIRE_REGISTRY`` where both are set, else an embedded stack that ends with
    the run. Under pytest-xdist each process starts one of its own: set the two variables to share one.
    """
    from verbwire.embedded import Addresses, Stack

    bootstrap, registry = os.environ.get("VERBWIRE_BOOTSTRAP"), os.environ.get("VERBWIRE_REGISTRY")
    if bool(bootstrap) != bool(registry):
        raise pytest.UsageError("set both VERBWIRE_BOOTSTRAP and VERBWIRE_REGISTRY, or neither")
    if bootstrap and registry:
        yield Addresses(bootstrap=bootstrap, registry_url=registry)
        return
    stack = Stack(tmp_path_factory.mktemp("verbwire-stack"))
    stack.start(progress=False)
    try:
        yield stack.addresses
    finally:
        stack.stop()


@pytest.fixture(scope=_scope)
def verbwire_project(
    pytestconfig: pytest.Config, verbwire_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProject]:
    """The project that pytest runs in, deployed under a prefix of its own, with a worker that hosts its groups.

    ``verbwire_project.client("ann", ["orders:write"])`` is a client on somebody's behalf, ``.http(...)`` one of its
    HTTP; :class:`~verbwire.testing.RunningProject` has the rest. While it runs, ``Client()`` and `load_settings` in
    this process are of the same run. Tests share it for the whole session, so let each use keys of its own, or say
    ``verbwire_project_scope = "module"`` (or ``"function"``) in pytest's settings.
    """
    from verbwire.project import load_settings
    from verbwire.testing.running import RunningProject

    root = load_settings(pytestconfig.rootpath).root
    groups = pytestconfig.getini("verbwire_groups")
    with (
        RunningProject(root, verbwire_stack, tmp_path_factory.mktemp("verbwire-project"), groups) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running
