"""Ports on the loopback address, kept apart between stacks that start at the same time."""

from __future__ import annotations

import errno
import fcntl
import random
import socket
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
    """The ports of one stack. Each is leased by a lock in `folder`, shared by all stacks of this user.

    A port is not bound before its JVM has started: without the lease two stacks starting at once would choose the
    same. A dead owner's leases are gone with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leases: list[IO[bytes]] = []
        folder.mkdir(parents=True, exist_ok=True)

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
        file = (self._folder / str(port)).open("ab")
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_free(port):
                self._leases.append(file)
                return True
        file.close()
        return False
