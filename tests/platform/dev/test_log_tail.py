"""What `verbwire dev` shows of a worker's log."""

from __future__ import annotations

from pathlib import Path

from verbwire.dev.log_tail import LogTail

QUIET = "2026-11-28 15:18:07,335 INFO    verbwire.http: HTTP on 127.0.0.1 port 8700\n"
MORE = "    of the same entry\n"
LOUD = "2026-11-28 15:18:08,335 ERROR   verbwire.engine: it broke\n      File x\n"


def test_dev_log_shows_warnings_with_all_their_lines_and_what_the_project_prints(tmp_path: Path) -> None:
    log, tail = tmp_path / "worker.log", LogTail(tmp_path / "worker.log")
    assert tail.new_lines() == []
    log.write_text(QUIET + MORE + "printed by a handler\n" + LOUD + QUIET + MORE)
    assert tail.new_lines() == ["printed by a handler", *LOUD.splitlines()]
    assert LogTail(log, everything=True).new_lines() == log.read_text().splitlines()


def test_dev_log_is_read_once_in_whole_lines_and_anew_when_it_begins_anew(tmp_path: Path) -> None:
    log, tail = tmp_path / "worker.log", LogTail(tmp_path / "worker.log")
    log.write_text("one\ntw")
    assert tail.new_lines() == ["one"]
    log.write_text("one\ntwo \xff\n")
    assert tail.new_lines() == ["two \xff"]
    log.write_text("new\n")  # of the worker that was started again
    assert tail.new_lines() == ["new"]
