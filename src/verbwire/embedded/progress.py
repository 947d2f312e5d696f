"""How a start reports what it does: bars on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

Advance = Callable[[int], object]
_MEGABYTE = 1_000_000


class Report(Protocol):
    """Where a start reports to."""

    def say(self, text: str) -> None:
        """Report one step."""

    def transfer(self, text: str, total: int) -> AbstractContextManager[Advance]:
        """Report a transfer of `total` bytes; the function given says how many more have come. Thread-safe."""


class Silent:
    """Reports nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def transfer(self, text: str, total: int) -> AbstractContextManager[Advance]:  # noqa: ARG002 - a protocol's names
        """Nothing."""
        return nullcontext(lambda _: None)


class Lines:
    """Plain lines, one per tenth of a transfer: for logs and pipes."""

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    @contextmanager
    def transfer(self, text: str, total: int) -> Iterator[Advance]:
        """Print a line per tenth."""
        done, said, lock = 0, 0, Lock()

        def advance(count: int) -> None:
            nonlocal done, said
            with lock:
                done += count
                tenth = done * 10 // max(total, 1)
                if tenth > said:
                    said = tenth
                    self.say(f"{text}: {done // _MEGABYTE} of {total // _MEGABYTE} MB")

        self.say(f"{text}: {total // _MEGABYTE} MB")
        yield advance


class Bars:
    """Progress bars on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def transfer(self, text: str, total: int) -> Iterator[Advance]:
        """Show a bar while it lasts."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self._console) as progress:
            task = progress.add_task(text, total=total)
            yield lambda count: progress.advance(task, count)


def report(shown: bool) -> Report:
    """Bars, lines or silence, as fits the standard output."""
    if not shown:
        return Silent()
    console = Console()
    return Bars(console) if console.is_terminal else Lines()
