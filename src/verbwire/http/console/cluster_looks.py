"""Looks at the cluster for the console, by clients that are kept while somebody looks, and let go of when nobody does.

An inspection on the command line connects, asks and ends. The console asks every few seconds: it stays connected, also
because rates are told from one look to the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

import msgspec

from verbwire.errors import UnavailableError
from verbwire.generations.topic import read_words
from verbwire.http.console.drawing import drawing_of
from verbwire.inspection.deployed import deployed
from verbwire.inspection.describe import describe
from verbwire.inspection.lag import LagSampler
from verbwire.inspection.reading.cluster_view import ClusterView, in_order, opened
from verbwire.inspection.status import status
from verbwire.project import Project

_SAMPLE_SECONDS = 1.0
IDLE_SECONDS = 60.0  # without a look, after which its clients are let go of
Json = dict[str, Any]
T = TypeVar("T")


class ClusterLooks:
    """What operators see of the running system. Its methods block, one at a time: call them off the loop."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._opened: ExitStack | None = None
        self._view: ClusterView | None = None
        self._sampler: LagSampler | None = None
        self._used = 0.0
        self._timer: threading.Timer | None = None

    def describe(self, name: str) -> Json:
        """Return what is called so, and what of it stands on the cluster."""
        found = describe(self._project, name)
        with self._lock:
            view = self._connected()
            view.unknown.clear()
            standing = [deployed(view, each) for each in found]
            unknown = in_order(view.unknown)
        pairs = zip(map(msgspec.to_builtins, found), map(msgspec.to_builtins, standing), strict=True)
        return {"described": [{**each, "deployed": there} for each, there in pairs], "unknown": unknown}

    def topology(self) -> Json:
        """Return the drawing of what flows where, with generations of rebuilt tables as far as the cluster tells."""
        with self._lock:
            view = self._connected()
            words = view.unless_unknown("rebuilds", lambda: read_words(view.kafka, view.names.rebuilds()))
        return drawing_of(self._project, words or {})

    def lag(self) -> Any:
        """Return how far each group is behind; from the second look on with rates."""
        with self._lock:
            self._connected()
            assert self._sampler is not None  # noqa: S101 (made with the connection)
            return self._retried(self._sampler.sample)

    def status(self) -> Any:
        """Return workers, groups, dead letters, and what is odd, with what to do. Takes a second, and more clients."""
        with opened(self._project) as view:
            return status(view, _SAMPLE_SECONDS)

    def close(self) -> None:
        """Let go of the cluster."""
        with self._lock:
            self._let_go()

    def _retried(self, look: Callable[[], T]) -> T:
        """Return what a look finds; where the cluster is not there, the next look connects anew."""
        try:
            return look()
        except UnavailableError:
            self._let_go()
            raise

    def _connected(self) -> ClusterView:
        self._used = time.monotonic()
        if self._view is None:
            self._opened = ExitStack()
            self._view = self._opened.enter_context(opened(self._project))
            self._sampler = LagSampler(self._view)
            self._watch()
        return self._view

    def _watch(self) -> None:
        self._timer = threading.Timer(IDLE_SECONDS, self._leave_if_idle)
        self._timer.daemon = True
        self._timer.start()

    def _leave_if_idle(self) -> None:
        with self._lock:
            if self._view is None:
                return
            if time.monotonic() - self._used >= IDLE_SECONDS:
                self._let_go()
            else:
                self._watch()

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._opened is not None:
            self._opened.close()
        self._opened = self._view = self._sampler = self._timer = None
