"""Does what a page of markdown says, block by block, as its reader would: writes its files, types its commands.

A fence of ``console`` holds commands behind ``$`` and what they print; all of a page's commands go to one shell, in
order, so that ``cd``, ``export`` and ``&`` mean what they mean to the reader. A comment before a fence says more:

==============================  ================================================================================
``<!-- file: a/b.py -->``       the fence is that file, written anew
``<!-- append: a/b.py -->``     the fence is added to that file
``<!-- eventually -->``         the commands are typed again until they print what is shown: a worker is starting
``<!-- not run: why -->``       the fence is for the reader alone
==============================  ================================================================================

In what is printed ``...`` stands for anything, also for whole lines. A command that fails has to show its status:
``exit 1`` as the last line. Where nothing is shown below a command, nothing is compared but that it succeeds.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kit.cluster import eventually

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (file|append|eventually|not run)(?:: ([^>]+?))? -->\s*\Z")
_PROMPT, _MORE = "$ ", "> "
_SECONDS = 60.0


@dataclass(frozen=True)
class Block:
    """One fence of a page."""

    language: str
    text: str
    line: int
    mark: str = ""
    what: str = ""  # of its mark: a file, or a reason


@dataclass(frozen=True)
class Typed:
    """A command, and what the page shows below it."""

    command: str
    shown: str


def blocks(page: str) -> Iterator[Block]:
    """Yield the fences of a page, each with the comment that stands before it."""
    for found in _FENCE.finditer(page):
        mark = _MARK.search(page[: found.start()])
        said = (mark[1], mark[2] or "") if mark else ("", "")
        yield Block(found[1], found[2], page.count("\n", 0, found.start()) + 1, *said)


def typed(block: Block) -> Iterator[Typed]:
    """Yield the commands of a fence."""
    command, shown = "", ""
    for line in block.text.splitlines():
        if line.startswith(_PROMPT):
            if command:
                yield Typed(command, shown)
            command, shown = line.removeprefix(_PROMPT), ""
        elif line.startswith(_MORE) and not shown:
            command += "\n" + line.removeprefix(_MORE)
        else:
            shown += line + "\n"
    if command:
        yield Typed(command, shown)


def agrees(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; true where it shows nothing."""
    if not shown.strip():
        return True
    lines = [r"(?:.*\n)*" if line.strip() == "..." else _line(line) for line in shown.strip().splitlines()]
    trimmed = "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    return re.fullmatch("".join(lines), trimmed) is not None


def _line(shown: str) -> str:
    return re.escape(shown.rstrip()).replace(re.escape("..."), ".*") + r"\n"


class Shell:
    """A shell that stays, so that what one command sets is there for the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**os.environ, **environment, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "100"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._typed = 0

    def type(self, command: str) -> str:
        """Return what a command prints, and ``exit <status>`` below it where it fails."""
        self._typed += 1
        end = f"--typed-{self._typed}--"
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\nprintf '\\n{end}%s\\n' $?\n")
        self._process.stdin.flush()
        printed = ""
        for line in self._process.stdout or ():
            if line.startswith(end):
                status = line.removeprefix(end).strip()
                return printed.strip("\n") + ("" if status == "0" else f"\nexit {status}")
            printed += line
        raise AssertionError(f"the shell ended while this ran: {command}\n{printed}")

    def close(self) -> None:
        """End what still runs in the background, and the shell."""
        self.type("kill -9 $(jobs -p) 2>/dev/null; wait 2>/dev/null; true")
        self._process.communicate()


class Tutorial:
    """One page, done in a folder of its own."""

    def __init__(self, page: Path, folder: Path, environment: Mapping[str, str], instead: Mapping[str, str]) -> None:
        self._page = page
        self._folder = folder
        self._instead = instead
        self._shell = Shell(folder, environment)

    def run(self) -> None:
        """Do all of the page; AssertionError with the line where it says something else than happens."""
        try:
            for block in blocks(self._page.read_text("utf-8")):
                self._do(block)
        finally:
            self._shell.close()

    def _do(self, block: Block) -> None:
        match block.mark:
            case "not run":
                return
            case "file" | "append":
                file = self._folder / block.what
                file.parent.mkdir(parents=True, exist_ok=True)
                before = file.read_text("utf-8") if block.mark == "append" else ""
                file.write_text(before + block.text, "utf-8")
            case _ if block.language == "console":
                for each in typed(block):
                    self._type(each, block)
            case _:
                raise AssertionError(f"{self._page}:{block.line} is neither a file nor typed: mark it")

    def _type(self, each: Typed, block: Block) -> None:
        command, shown = self._here(each.command), self._here(each.shown)
        printed = self._shell.type(command)
        if block.mark == "eventually" and not agrees(shown, printed):
            printed = self._again(command, shown)
        failed = re.search(r"^exit \d+$", printed, re.MULTILINE) and "exit " not in shown
        where = f"{self._page.name}:{block.line}: {command}"
        if failed or not agrees(shown, printed):
            raise AssertionError(f"{where}\nshown:\n{shown}\nprinted:\n{printed}")

    def _again(self, command: str, shown: str) -> str:
        printed = [""]

        def asked() -> bool:
            printed.append(self._shell.type(command))
            return agrees(shown, printed[-1])

        try:
            eventually(asked, _SECONDS, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{command}\nshown:\n{shown}\nprinted last:\n{printed[-1]}") from error
        return printed[-1]

    def _here(self, text: str) -> str:
        """Return a text with the addresses of this run."""
        for said, meant in self._instead.items():
            text = text.replace(said, meant)
        return text
