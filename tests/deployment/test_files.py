"""Files that are read by others than us: of one source, and as their schemas have them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment.files import ROOT, rendered, templates
from verbwire.scaffolding.create import create_project
from verbwire.scaffolding.requirement import Requirement

ACTIONLINT = shutil.which("actionlint")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, of a name that no host may have."""
    folder = tmp_path_factory.mktemp("new") / "my_home"
    create_project("my_home", folder, Requirement("9.8.7"))
    return folder


def workflows(home: Path) -> list[Path]:
    return [*sorted((ROOT / ".github/workflows").glob("*.yml")), home / ".github/workflows/ci.yml"]


def holds(schema: str, *files: Path) -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files))
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_deployment_files_are_what_a_new_project_gets() -> None:
    expected = templates() | rendered()
    found = {path: path.read_text("utf-8") if path.exists() else "" for path in expected}
    assert found == expected, "write them by `python -m tests.deployment`"
    there = {each for each in (ROOT / "deploy").rglob("*") if each.is_file() and ".secrets" not in each.parts}
    assert there == rendered().keys()


def test_workflows_fit_githubs_schema_and_actionlint(home: Path) -> None:
    holds("github-workflows", *workflows(home))
    if ACTIONLINT is not None:
        ran = subprocess.run([ACTIONLINT, *workflows(home)], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


def test_workflows_have_few_rights_and_name_a_version_of_each_action(home: Path) -> None:
    for file in workflows(home):
        text = file.read_text("utf-8")
        assert "\npermissions:\n  contents: read\n" in text, file
        for action in re.findall(r"uses: (?!\./)(\S+)", text):
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d[\d.]*|release/v\d+)", action), action


def test_workflow_of_a_release_asks_for_the_compiled_codec_on_each_python() -> None:
    settings = (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.cibuildwheel]")[2].partition("\n\n")[0]
    assert 'VERBWIRE_CODEC = "required"' in settings
    promised = re.findall(r"Python :: 3\.(\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert re.findall(r"cp3(\d+)-\*", settings) == promised
    matrix = (ROOT / ".github/workflows/ci.yml").read_text("utf-8").partition("python: [")[2].partition("]")[0]
    assert re.findall(r"3\.(\d+)", matrix) == promised


def test_compose_files_fit_the_compose_specification(home: Path) -> None:
    holds("compose-spec", ROOT / "docker-compose.yml", home / "docker-compose.yml")
