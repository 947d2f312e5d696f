"""What `verbwire dev` does for a changed file: the files are real, the clock is the test's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from verbwire.dev.project_files import Changes, Needed, asked_for, changed, look


def write(root: Path, file: str, text: str = "") -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for each in ("pyproject.toml", "schemas/a/Do.avsc", "schemas/a/__init__.py", "consumers/deep/a.py", "rules.py"):
        write(tmp_path, each)
    for each in (
        ".venv/lib/x.py",
        "env/lib/x.py",
        ".verbwire/x.py",
        "tests/test_a.py",
        "README.md",
        "sub/pyproject.toml",
    ):
        write(tmp_path, each)
    write(tmp_path, "env/pyvenv.cfg")
    (tmp_path / "streams").symlink_to(tmp_path)  # a circle
    (tmp_path / "gone.py").symlink_to("nowhere")
    return tmp_path


def test_dev_looks_at_what_a_worker_is_made_of(root: Path) -> None:
    assert look(root).keys() == {
        "pyproject.toml",
        "schemas/a/Do.avsc",
        "schemas/a/__init__.py",
        "consumers/deep/a.py",
        "rules.py",
    }


@pytest.mark.parametrize(
    ("files", "change"),
    [
        ([], Needed.NONE),
        (["schemas/a/__init__.py"], Needed.NONE),
        (["rules.py"], Needed.CODE),
        (["consumers/deep/a.py", "schemas/a/__init__.py"], Needed.CODE),
        (["consumers/deep/a.py", "schemas/a/Do.avsc"], Needed.CONTRACTS),
        (["pyproject.toml"], Needed.CONTRACTS),
    ],
)
def test_dev_changed_files_ask_for_as_much_as_the_greatest_of_them(files: list[str], change: Needed) -> None:
    assert asked_for(files) is change


def test_dev_sees_files_that_are_new_gone_or_other(root: Path) -> None:
    before = look(root)
    write(root, "streams_new/b.py")
    (root / "rules.py").unlink()
    stat = (root / "consumers/deep/a.py").stat()
    os.utime(root / "consumers/deep/a.py", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    write(root, "schemas/a/Do.avsc", "{}")
    assert changed(before, look(root)) == ["consumers/deep/a.py", "rules.py", "schemas/a/Do.avsc", "streams_new/b.py"]


def test_dev_waits_until_files_hold_still_and_loses_none_that_changes_meanwhile(root: Path) -> None:
    changes = Changes(root, 0.0)
    write(root, "rules.py", "1")
    assert changes.settled(10.0) == []
    write(root, "more.py", "1")
    assert changes.settled(10.2) == []
    assert changes.settled(10.4) == []
    assert changes.settled(10.5) == ["more.py", "rules.py"]
    write(root, "late.py", "1")  # after it was looked, before it is done
    changes.take()
    write(root, "rules.py", "22")  # while the workers are started again
    assert changes.settled(11.0) == []
    assert changes.settled(12.0) == ["late.py", "rules.py"]
