"""The line of progress: for people at a terminal, after a second, gone in the end."""

from __future__ import annotations

import io

from verbwire.cli.progress import ProgressLine


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


def steps(stream: io.StringIO, times: list[float]) -> str:
    clock = iter([0.0, *times])
    with ProgressLine(lambda: "7 records", stream, lambda: next(clock)) as progress:
        list(progress.over(times))
    return stream.getvalue()


def test_progress_shows_after_a_second_on_a_terminal_and_is_cleared() -> None:
    said = steps(Terminal(), [0.5, 1.1, 1.15, 1.4])
    assert said.count("7 records") == 2
    assert said.endswith("\r\x1b[K")


def test_progress_is_silent_for_what_is_quick() -> None:
    assert steps(Terminal(), [0.2, 0.9]) == ""


def test_progress_is_silent_where_there_is_no_terminal() -> None:
    assert steps(io.StringIO(), [2.0, 3.0]) == ""
