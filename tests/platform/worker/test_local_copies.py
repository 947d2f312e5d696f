"""One process alone has a worker's copies of a group's tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from verbwire.errors import ConfigurationError
from verbwire.worker.local_copies import hold

HOLDS = "import sys, pathlib; from verbwire.worker.local_copies import hold; held = hold(pathlib.Path(sys.argv[1])); "


def test_a_second_process_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with hold(tmp_path / "shop.carts"), pytest.raises(ConfigurationError, match="VERBWIRE_WORKER"):
        hold(tmp_path / "shop.carts")


def test_other_groups_and_other_workers_are_not_in_the_way(tmp_path: Path) -> None:
    with (
        hold(tmp_path / "w1" / "shop.carts"),
        hold(tmp_path / "w1" / "shop.orders"),
        hold(tmp_path / "w2" / "shop.carts"),
    ):
        pass


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = HOLDS + "print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigurationError):
            hold(tmp_path)
        holder.kill()
        holder.wait()
    hold(tmp_path).close()
