"""Workers that are many and have no names of their own: numbers, and the copies of those that are gone."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verbwire.errors import ConfigurationError
from verbwire.settings import Settings
from verbwire.worker.local_copies import KEPT_SECONDS, LocalCopies, hold, remove_forgotten
from verbwire.worker.worker_names import named

OTHER = """
import sys, pathlib
from verbwire.settings import Settings
from verbwire.worker.worker_names import named
with named(Settings(data=pathlib.Path(sys.argv[1]), worker="w-*")) as settings:
    print(settings.worker, flush=True)
    sys.stdin.read()
"""
DAY = 86400.0


def settings_of(data: Path, worker: str = "w-*") -> Settings:
    return Settings(data=data, worker=worker)


def test_a_name_of_ones_own_is_kept(tmp_path: Path) -> None:
    with named(settings_of(tmp_path, "w-7")) as settings:
        assert settings.worker == "w-7"
    assert not list(tmp_path.iterdir())


def test_numbers_are_those_that_no_other_process_has_and_are_taken_again(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "w-1\n"
        with named(settings_of(tmp_path)) as second, named(settings_of(tmp_path)) as third:
            assert (second.worker, third.worker) == ("w-2", "w-3")
            with named(settings_of(tmp_path, "v-*")) as another:
                assert another.worker == "v-1"
        other.kill()  # no last word: the lock goes with the process
        other.wait()
        with named(settings_of(tmp_path)) as again:
            assert again.worker == "w-1"


def test_a_folder_that_cannot_be_written_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "workers").write_text("a file", "utf-8")
    with pytest.raises(ConfigurationError, match="VERBWIRE_DATA"), named(settings_of(tmp_path)):
        pass


def copies_of(tables: Path, worker: str, days: float) -> Path:
    """Copies that were last used so many days ago."""
    group = tables / worker / "shop.carts"
    hold(group).close()
    (group / "3.sqlite").write_bytes(b"x" * 1000)
    then = time.time() - days * DAY
    for path in group.iterdir():
        os.utime(path, (then, then))
    return group


def test_copies_of_workers_unheard_of_for_a_week_are_removed_and_no_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copies_of(tmp_path, "gone", 8)
    (tmp_path / ".gone-half" / "shop.carts").mkdir(parents=True)
    kept = {"own": 30.0, "may-come-back": 6.5, "is-there": 30.0}
    folders = {name: copies_of(tmp_path, name, days) for name, days in kept.items()}
    with hold(folders["is-there"]), caplog.at_level(logging.INFO, "verbwire"):
        for path in folders["is-there"].iterdir():
            os.utime(path, (0, 0))
        remove_forgotten(tmp_path, "own", time.time() - KEPT_SECONDS)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)
    (told,) = caplog.messages
    assert told.startswith("removed the local copies of worker gone, last used on ")


def test_a_worker_that_runs_for_weeks_with_nothing_to_write_is_heard_of(tmp_path: Path) -> None:
    with hold(copies_of(tmp_path, "quiet", 30)):
        keeping = LocalCopies(tmp_path, "quiet")
        keeping.start()
        keeping.stop()
    remove_forgotten(tmp_path, "another", time.time() - KEPT_SECONDS)
    assert (tmp_path / "quiet" / "shop.carts" / "3.sqlite").exists()
