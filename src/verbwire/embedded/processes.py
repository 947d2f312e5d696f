"""JVMs as children: started in sessions of their own, watched, stopped, and reaped when their owner was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from verbwire.embedded.extras import extra
from verbwire.errors import StackError
from verbwire.security.private_files import UMASK, private_file

TAIL_LINES = 20
_SAME_START = 2.0  # seconds; the system's boot time, from which starts are computed, moves with its clock

_MEDDLING = ("JAVA_", "_JAVA_", "JDK_JAVA_", "CLASSPATH", "KAFKA_", "QUARKUS_", "APICURIO_", "SMALLRYE_")

# A JVM gets a SIGTERM when the thread that started it ends; only a main thread lives as long as its process.
# In a launcher, not in a preexec_fn: no Python between fork and exec of a process with librdkafka's threads.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]): sys.exit("the owner is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ProcessId(msgspec.Struct, frozen=True, kw_only=True):
    """A process, told from a later one with the same number by its start, in seconds since the epoch."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Return the identity of a process that runs now."""
        return cls(pid=pid, started=extra("psutil").Process(pid).create_time())

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        psutil = extra("psutil")
        try:
            process = psutil.Process(self.pid)
            same = bool(abs(process.create_time() - self.started) < _SAME_START)
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class Child:
    """One process that this one started. Its output goes to `log`; the previous run's log is kept beside it.

    It runs in `folder`, by default where its log is, in the environment `env`, by default one that no JVM minds.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        if log.exists():
            os.replace(log, log.with_name(log.name + ".1"))
        with private_file(log).open("wb") as out:
            # A session of its own: a terminal's Ctrl-C must not reach the JVMs before the owner stops them in order.
            self._process = subprocess.Popen(
                _bound_to_this_thread(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=clean_environment() if env is None else env,
                cwd=folder or log.parent,
                start_new_session=True,
                umask=UMASK,
            )
        self.identity = ProcessId.of(self._process.pid)

    def ended(self) -> bool:
        """Whether it has exited."""
        return self._process.poll() is not None

    @property
    def status(self) -> int | None:
        """With what it has exited, the negative number of a signal where that has ended it; None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        self._process.send_signal(number)

    def end(self) -> None:
        """Kill it now, with whatever it started itself; returns when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float) -> bool:
        """Wait until it has exited; whether it did in time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0.01))
        return self.ended()

    def failure(self, what: str) -> StackError:
        """Return an error that says `what` happened and ends with the log's last lines."""
        status = f"exit status {self._process.returncode}" if self.ended() else "still running"
        return StackError(f"{self.name} {what} ({status}); see {self.log}, which ends:\n{tail(self.log)}")


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment plus `more`, without what would change a JVM or one of the two programs behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_MEDDLING)}
    return {**kept, **(more or {})}


def _bound_to_this_thread(command: Sequence[str]) -> list[str]:
    in_main = threading.current_thread() is threading.main_thread()
    if sys.platform != "linux" or not in_main or not sys.executable:
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def stop(children: Iterable[Child], grace: float) -> None:
    """Stop them all at once: SIGTERM, and SIGKILL `grace` seconds later; a Ctrl-C meanwhile means now."""
    running = [child for child in children if not child.ended()]
    try:
        for child in running:
            child.signal(signal.SIGTERM)
        until = time.monotonic() + grace
        for child in running:
            child.wait(until - time.monotonic())
    finally:
        for child in running:
            child.end()


def _session(pid: int) -> int:
    with suppress(OSError):
        return os.getsid(pid)
    return -1


def reap(orphans: Iterable[ProcessId], grace: float) -> None:
    """Kill the processes that a killed owner left running, with their children.

    Another process that got the same number meanwhile is not touched.
    """
    psutil = extra("psutil")
    # Each was the leader of a session, and its number is not given away while any member of the session lives.
    sessions = {orphan.pid for orphan in orphans if orphan.alive() or not psutil.pid_exists(orphan.pid)}
    found = [process for process in psutil.process_iter() if _session(process.pid) in sessions]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, timeout=grace)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=10)
