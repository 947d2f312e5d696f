"""Looks at the workers once a second, in a thread of its own, and writes on the board how they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from verbwire.dev.board import Board
from verbwire.dev.group_metrics import GroupCount, count_groups, group_views
from verbwire.dev.worker_http import WorkerHttp

_EVERY_SECONDS = 1.0
_PAGES = (
    ("/console", "console"),
    ("/docs", "documentation of HTTP"),
    ("/openapi.json", "OpenAPI"),
    ("/tables", "tables"),
)


class Observer:
    """Keeps `board.workers`, `board.groups` and `board.links` up to date; a context manager."""

    def __init__(self, board: Board, workers: Sequence[tuple[str, WorkerHttp]]) -> None:
        self._board = board
        self._workers = workers
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dev-observer", daemon=True)
        self._counts: dict[str, GroupCount] = {}
        self._looked = 0.0

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Ask all workers once."""
        self._board.workers = {name: http.state() for name, http in self._workers}
        counts, now = count_groups(self._expositions()), time.monotonic()
        self._board.groups = group_views(counts, self._counts, now - self._looked, self._stopped())
        self._counts, self._looked = counts, now
        if not self._board.links and self._board.ready:
            self._board.links = self._links()

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_SECONDS):
            self.look()

    def _expositions(self) -> list[str]:
        found = []
        for _, http in self._workers:
            with suppress(OSError):
                status, body = http.get("/metrics")
                found += [body] if status == HTTPStatus.OK else []
        return found

    def _stopped(self) -> dict[str, dict[str, str]]:
        """Return, by group, the stopped partitions with their reasons: any worker knows those of all."""
        for _, http in self._workers:
            with suppress(OSError):
                if (answer := http.json("/tables")) is not None:
                    return {each["name"]: each["stopped"] for each in answer["tables"]}
        return {}

    def _links(self) -> list[str]:
        """Return the pages that the first worker has."""
        http = self._workers[0][1]
        found = [f"{http.url}{path}  {what}" for path, what in _PAGES if self._is_there(http, path)]
        return [*found, "TOKEN=$(verbwire token --scope verbwire:operator)"] if http.token else found

    def _is_there(self, http: WorkerHttp, path: str) -> bool:
        with suppress(OSError):
            return http.get(path)[0] not in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
        return False
