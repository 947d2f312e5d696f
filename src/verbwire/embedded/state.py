"""Writes and reads ``stack.json``, by which other processes find a stack, and locks its folder for one owner."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from verbwire.embedded.processes import ProcessId
from verbwire.errors import StackError
from verbwire.security.private_files import keep_from_others, private_file, private_folder

FILE = "stack.json"


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running stack is reached."""

    bootstrap: str
    registry_url: str


class StackState(msgspec.Struct, frozen=True, kw_only=True):
    """``stack.json``: stays after a stop, so that the next run can have the same ports."""

    nodes: int
    addresses: Addresses
    ports: dict[str, int]
    ready: bool = False
    processes: dict[str, ProcessId] = {}


def read_state(folder: Path) -> StackState | None:
    """Return what the last run wrote, None if nothing legible."""
    with suppress(FileNotFoundError, msgspec.DecodeError):
        return msgspec.json.decode((folder / FILE).read_bytes(), type=StackState)
    return None


def write_state(folder: Path, state: StackState) -> None:
    """Replace ``stack.json``, never leaving half of it."""
    fresh = private_file(folder / f"{FILE}.part")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
    os.replace(fresh, folder / FILE)


def running_stack(folder: Path) -> Addresses | None:
    """Return the addresses of the stack that runs in `folder`, None if it is not ready or not alive."""
    state = read_state(folder)
    if state is None or not state.ready or not all(process.alive() for process in state.processes.values()):
        return None
    return state.addresses


class FolderLock:
    """Ownership of a folder, of a stack's for instance; the system takes it back from a dead owner.

    `advice` is what to do where another process has it.
    """

    def __init__(self, folder: Path, advice: str = "stop that one, or choose another folder") -> None:
        self._path = folder / "owner.lock"
        self._advice = advice
        self._file: IO[str] | None = None
        self._pid = 0

    def acquire(self) -> None:
        """Become the owner. Raises :class:`StackError` naming the process that is."""
        folder = keep_from_others(private_folder(self._path.parent))
        file = private_file(folder / self._path.name).open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise StackError(f"{self._path.parent} is in use by process {owner}: {self._advice}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file, self._pid = file, os.getpid()

    def held(self) -> bool:
        """Whether this object owns the folder; a forked copy of it does not."""
        return self._file is not None and self._pid == os.getpid()

    def release(self) -> None:
        """Let the folder go; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
