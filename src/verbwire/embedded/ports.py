"""Ports on the loopback address, kept apart between stacks that start at the same time."""

from __future__ import annotations

import errno
import fcntl
import random
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from verbwire.errors import StackError

HOST = "127.0.0.1"
# Below every system's ephemeral range: nobody's outgoing connection takes one of these by chance.
FREE = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Whether nobody listens on the port, on the loopback address or on all of them."""
    for host in (HOST, ""):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                raise
    return True


class Ports:
    """The ports of one stack. Each is leased: on Linux from all stacks of the machine, else from those of this user.

    A port is not bound before its JVM has started: without the lease two stacks starting at once would choose the
    same. A dead owner's leases are gone with it. `folder` has the locks where there are no abstract sockets (unix(7)).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leases: list[socket.socket | IO[bytes]] = []

    def take(self, wanted: Iterable[int] = ()) -> int:
        """Lease the first of the `wanted` ports that is free, else any free one."""
        for port in (*wanted, *random.sample(FREE, len(FREE))):
            if self._lease(port):
                return port
        raise StackError(f"no port between {FREE.start} and {FREE.stop} is free: stop other stacks")

    def release(self) -> None:
        """Release all leases."""
        while self._leases:
            self._leases.pop().close()

    def _lease(self, port: int) -> bool:
        lease = _named(port) if sys.platform == "linux" else self._locked(port)
        if lease is None:
            return False
        if is_free(port):
            self._leases.append(lease)
            return True
        lease.close()
        return False

    def _locked(self, port: int) -> IO[bytes] | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / str(port)).open("ab")
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        file.close()
        return None


def _named(port: int) -> socket.socket | None:
    """Return what has this port's name in the machine's network namespace, None where another process has it."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0verbwire-port-{port}")
    except OSError:
        name.close()
        return None
    return name
