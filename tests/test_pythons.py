"""Every Python that we promise: said in one voice everywhere, tried, and any other refused in one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pythons

ROOT = Path(__file__).parents[1]
PROMISED = pythons.promised()


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def python_of(version: str, path: Path) -> Path:
    """A Python that takes itself for one of another version."""
    said = tuple(map(int, version.split(".")))
    prelude = f"import sys; sys.version_info = {said}; sys.version = '{version} (fake)'; "
    return script(path, f'exec {sys.executable} -c "{prelude}$2"')


def test_all_that_name_versions_name_the_same() -> None:
    first, last = PROMISED[0], PROMISED[-1]
    makefile, *docs = ((ROOT / each).read_text() for each in ("Makefile", "README.md", "CONTRIBUTING.md"))
    tuples = [f"({each.replace('.', ', ')})" for each in (first, last)]
    assert f"not {tuples[0]} <= sys.version_info[:2] <= {tuples[1]}" in makefile
    assert {*re.findall(r"python(3\.\d+)", makefile)} == {*PROMISED}
    for text in (makefile, *docs):
        assert {*re.findall(r"Python (?:from )?(3\.\d+ to 3\.\d+)", text)} == {f"{first} to {last}"}
    (matrix,) = re.findall(r"python: \[(.*)\]", (ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert re.findall(r"[\d.]+", matrix) == PROMISED


def test_this_is_one_of_them() -> None:
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in PROMISED


@pytest.mark.parametrize("version", ["3.10.13", "3.15.0"])
def test_setting_up_refuses_any_other_in_one_sentence(tmp_path: Path, version: str) -> None:
    python = python_of(version, tmp_path / "python3")
    environment = tmp_path / "environment"
    command = ["make", "-s", "setup", f"PYTHON={python}", f"VENV={environment}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode
    assert ran.stdout == ""
    said = ran.stderr.splitlines()[0]
    assert said.startswith(f"verbwire needs Python {PROMISED[0]} to {PROMISED[-1]}, ")
    assert f"({python} is {version})" in said
    assert said.endswith("make setup PYTHON=/path/to/python3")
    assert not environment.exists()


def test_what_cannot_be_used_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of pyenv's that does not run, one of another version, and of those that are left the newest."""
    script(tmp_path / "shims" / "python3.13", 'echo "pyenv: python3.13: command not found" >&2; exit 127')
    python_of("3.12.1", tmp_path / "bin" / "python3.13")
    for patch in ("3.13.9", "3.13.10"):
        python_of(patch, tmp_path / "pyenv" / "versions" / patch / "bin" / "python3.13")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "shims"), str(tmp_path / "bin"), "/bin"]))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    newest = tmp_path / "pyenv" / "versions" / "3.13.10" / "bin" / "python3.13"
    assert pythons.find("3.13") == pythons.Interpreter(newest, "3.13.10")
    on_path = python_of("3.13.2", tmp_path / "bin" / "python3.13")
    assert pythons.find("3.13") == pythons.Interpreter(on_path, "3.13.2")
    assert pythons.find("3.99") is None


def test_what_is_not_here_is_said_and_does_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert pythons.main(["3.99"]) == 1
    assert re.search(r"^3\.99 +skipped: neither on PATH nor among pyenv's$", capsys.readouterr().out, re.MULTILINE)


def test_whatever_takes_the_cluster_is_marked(request: pytest.FixtureRequest) -> None:
    functions = [each for each in request.session.items if isinstance(each, pytest.Function)]
    unmarked = [each for each in functions if "cluster" in each.fixturenames and not each.get_closest_marker("kafka")]
    assert not unmarked
