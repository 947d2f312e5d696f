"""Copies, offsets, logs and secrets: nobody else's on this machine, those of before included."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from verbwire.embedded.state import FolderLock
from verbwire.engine.state.store import PartitionStore
from verbwire.secrets import FILE, http_secret
from verbwire.security.private_files import keep_from_others, private_file, private_folder
from verbwire.settings import Settings
from verbwire.worker.local_copies import hold


@pytest.fixture(autouse=True)
def _careless() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if mode(path) & 0o077]


def test_private_files_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "data" / "tables")
    assert mode(private_file(folder / "file")) == 0o600
    assert not open_to_others(tmp_path / "data")


def test_private_files_that_were_there_before_become_so_and_links_are_not_followed(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_text("")
    (tmp_path / "old" / "deep").mkdir(parents=True)
    (tmp_path / "old" / "deep" / "file").write_text("")
    (tmp_path / "old" / "link").symlink_to(foreign)
    keep_from_others(tmp_path / "old")
    assert not open_to_others(tmp_path / "old" / "deep")
    assert mode(tmp_path / "old") == 0o700
    assert mode(foreign) == 0o666


def test_a_folder_that_is_the_users_own_is_left_alone(tmp_path: Path) -> None:
    """It may be shared with others on purpose."""
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert mode(tmp_path) == 0o755


def test_private_files_are_the_local_copies(tmp_path: Path) -> None:
    old = tmp_path / "tables" / "w1" / "a.group"
    old.mkdir(parents=True)
    (old / "rows-0.db").write_text("")
    hold(old).close()
    store = PartitionStore(old / "rows-1.db", [])
    assert {path.name for path in old.iterdir()} >= {"rows-1.db", "rows-1.db-wal", ".lock"}
    assert not open_to_others(old)
    store.close()


def test_private_files_are_in_an_embedded_stacks_folder(tmp_path: Path) -> None:
    (tmp_path / "stack" / "kafka-1").mkdir(parents=True)
    (tmp_path / "stack" / "kafka-1" / "00000.log").write_text("")
    lock = FolderLock(tmp_path / "stack")
    lock.acquire()
    lock.release()
    assert not open_to_others(tmp_path / "stack")


def test_private_files_hold_the_development_secret(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)
    secret = http_secret(settings)
    file = settings.data_folder / FILE
    assert not open_to_others(settings.data_folder)
    file.chmod(0o644)
    assert http_secret(settings) == secret
    assert mode(file) == 0o600
