"""Lets go of what idles: clients, connections, what else costs threads and descriptors and can be had again.

Whoever holds such a thing makes it known once; a worker looks around every few seconds (`worker/local_copies.py`).
"""

from __future__ import annotations

import threading
from typing import Protocol
from weakref import WeakSet

IDLE_SECONDS = 10.0


class Dispensable(Protocol):
    """What can be let go of while it idles."""

    def let_go(self, idle_seconds: float) -> None:
        """Let go of what has not been used for as long. From any thread."""


_EVERY: WeakSet[Dispensable] = WeakSet()
_LOCK = threading.Lock()


def make_known(each: Dispensable) -> None:
    """Let it be told to let go, for as long as anybody else holds it."""
    with _LOCK:
        _EVERY.add(each)


def let_go_of_what_idles(idle_seconds: float = IDLE_SECONDS) -> None:
    """Tell each of them to let go of what has not been used for as long."""
    with _LOCK:
        every = list(_EVERY)
    for each in every:
        each.let_go(idle_seconds)
