"""`verbwire new`: what it writes passes its own checks, and it writes all or nothing, over nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.cli import verbwire
from verbwire.errors import ConfigurationError
from verbwire.scaffolding.create import create_project
from verbwire.scaffolding.project_names import require_project_name
from verbwire.scaffolding.requirement import Requirement, of_origin

ROOT = Path(__file__).parents[3]
RELEASED = Requirement("9.8.7")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that the tests look at."""
    folder = tmp_path_factory.mktemp("new") / "home"
    create_project("home", folder, RELEASED)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def run(folder: Path, *command: str) -> str:
    """What it says; it has to end well."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_new_project_passes_check_ruff_and_its_tests_without_a_broker(home: Path) -> None:
    assert ": error" not in verbwire(home, "check").stdout
    ruff = str(Path(sys.executable).with_name("ruff"))
    run(home, ruff, "check", "--no-cache", ".")
    run(home, ruff, "format", "--no-cache", "--check", ".")
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "5 passed" in run(home, *pytest_, "-p", "no:schemathesis", "tests/test_lights.py")


def test_new_project_has_no_word_left_to_fill_in_and_none_of_this_machine(home: Path) -> None:
    texts = {name: content.decode() for name, content in contents(home).items() if "__pycache__" not in name}
    words = ("@project@", "@python@", "@verbwire", "@copy_wheels@", str(home.parent))
    assert {name for name, text in texts.items() if any(each in text for each in words)} == set()
    assert texts["requirements.txt"].splitlines()[-1] == "verbwire==9.8.7"
    assert "verbwire[test]==9.8.7" in texts["requirements-dev.txt"]
    assert {"Makefile", "Dockerfile", ".gitignore", ".github/workflows/ci.yml"} <= texts.keys()


def test_new_projects_compose_file_is_that_of_this_repository(home: Path) -> None:
    ours, theirs = ((each / "docker-compose.yml").read_text() for each in (ROOT, home))
    assert theirs.partition("\nx-worker")[2] == ours.partition("\nx-worker")[2] != ""


def test_new_project_keeps_the_wheel_that_verbwire_came_from(tmp_path: Path) -> None:
    wheel = tmp_path / "verbwire-9.8.7-py3-none-any.whl"
    wheel.write_bytes(b"PK")
    requirement = of_origin("9.8.7", {"url": wheel.as_uri(), "archive_info": {}})
    assert Path("wheels", wheel.name) in create_project("home", tmp_path / "home", requirement)
    assert (tmp_path / "home" / "requirements.txt").read_text().splitlines()[-1] == f"./wheels/{wheel.name}"
    assert f"./wheels/{wheel.name}[test]\n" in (tmp_path / "home" / "requirements-dev.txt").read_text()
    assert "COPY wheels wheels\nRUN pip" in (tmp_path / "home" / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({}, "verbwire[test]==1.2"),
        ({"url": "file:///nowhere/verbwire-1.2-py3-none-any.whl", "archive_info": {}}, "verbwire[test]==1.2"),
        (
            {"url": "https://example.org/v.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "verbwire[test] @ git+https://example.org/v.git@ab12",
        ),
        ({"url": ROOT.as_uri(), "dir_info": {"editable": True}}, f"verbwire[test] @ {ROOT.as_uri()}"),
    ],
)
def test_new_project_requires_verbwire_from_where_it_came(origin: dict[str, object], line: str) -> None:
    assert of_origin("1.2", origin).line("test") == line


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("My-Home", "for example my_home"),
        ("7up", "beginning with a letter, for example up"),
        ("", "lower-case letters"),
        ("../home", "for example home"),
        ("home.lights", "one word"),
        ("class", "word of Python's"),
        ("match", "word of Python's"),
        ("json", "Python's library"),
        ("msgspec", "installed here"),
        ("jwt", "Python finds here"),
        ("verbwire", "platform"),
        ("streams", "folder of every project"),
        ("a" * 64, "for example " + "a" * 63),
    ],
)
def test_new_project_name_that_will_not_do_is_refused_with_one_that_would(name: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        require_project_name(name)


def test_new_project_overwrites_nothing_and_then_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine:\n")
    (tmp_path / "streams").symlink_to("nowhere")
    before = contents(tmp_path)
    with pytest.raises(ConfigurationError, match="holds Makefile, streams already"):
        create_project("home", tmp_path, RELEASED)
    assert contents(tmp_path) == before
    with pytest.raises(ConfigurationError, match="a file is in its way"):
        create_project("home", tmp_path / "Makefile" / "home", RELEASED)


def test_new_project_leaves_what_else_lies_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    (tmp_path / ".git").mkdir()
    written = create_project("home", tmp_path, RELEASED)
    assert (tmp_path / "LICENSE").read_text() == "mine"
    assert {str(each) for each in written} == contents(tmp_path).keys() - {"LICENSE"}


def test_new_project_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last entry cannot be moved to its place."""
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name == "tests" and target.parent == tmp_path / "a" / "home":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(ConfigurationError, match="No space left"):
        create_project("home", tmp_path / "a" / "home", RELEASED)
    assert list(tmp_path.iterdir()) == []


def test_new_command_says_what_to_type_next_and_the_files_as_json(tmp_path: Path) -> None:
    said = verbwire(tmp_path, "new", "home", "--folder", str(tmp_path / "one"))
    assert said.returncode == 0, said.stderr
    assert "make demo" in said.stdout
    told = json.loads(verbwire(tmp_path, "new", "home", "--folder", str(tmp_path / "two"), "--json").stdout)
    assert told["folder"] == str(tmp_path / "two")
    assert set(told["files"]) == contents(tmp_path / "two").keys()
    again = verbwire(tmp_path, "new", "home", "--folder", str(tmp_path / "one"))
    assert again.returncode == 2
    assert "nothing is overwritten" in again.stderr
