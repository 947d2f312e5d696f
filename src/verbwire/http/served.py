"""A table as HTTP serves it: one row by its key, or rows of all partitions in the order of their keys."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

import msgspec

from verbwire.engine.view import TableView
from verbwire.errors import UnavailableError, UnkeyableError
from verbwire.http import json, limits
from verbwire.http.paging import Window, cursor
from verbwire.http.problem import Problem, unavailable
from verbwire.messages import Message
from verbwire.wire.keys import parse_key_text

T = TypeVar("T")

_RESTORING_SECONDS = 1
_STOPPED_SECONDS = 30  # somebody has to decide first
_ATTEMPTS = 3  # a partition may leave between looking and reading
_LEAST_CHUNK = 16


@dataclass(frozen=True)
class ServedTable:
    """A table that HTTP shows. `decode` reads a row as it stands in the changelog; called by several threads.

    Every method reads the disk and is called off the loop.
    """

    view: TableView
    decode: Callable[[bytes], Message | None]

    @property
    def name(self) -> str:
        """The full name."""
        return self.view.name

    def row(self, key_text: str) -> bytes:
        """Return one row as JSON; raises 400 for what cannot be a key, 404 without a row, 503 when it is not here."""
        key = self._key(key_text)
        partition = self.view.partition_of(key)
        try:
            value = self.view.get(key)
        except UnavailableError:
            raise self._not_here(partition) from None
        if value is None:
            raise Problem(404, "no_such_row", f"table {self.name} has no row under this key")
        return self._json(value)

    def page(self, wanted: Window) -> bytes:
        """Return rows of all partitions that are here, in the order of their keys' bytes, as JSON.

        ``complete`` says whether that is all partitions. ``positions`` holds, per partition and input topic, the next
        offset to be applied: every row is at least as new. 503 when no partition is here: an empty list would look
        like an answer.
        """
        for _ in range(_ATTEMPTS):
            missing = self.view.missing()
            if len(missing) == self.view.partitions:
                raise self._not_here(missing[0])
            here = [partition for partition in sorted(self.view.states) if partition not in missing]
            positions = {str(partition): dict(self.view.states[partition].inputs) for partition in here}
            try:
                rows, more = self._rows(here, wanted)
            except UnavailableError:
                continue
            after = f"/tables/{self.name}?page_size={wanted.size}&cursor=" if more else None
            return json.encode(
                {
                    "table": self.name,
                    "page": None if wanted.after else wanted.skip // wanted.size + 1,
                    "page_size": wanted.size,
                    "rows": [msgspec.Raw(self._json(value)) for _, value in rows],
                    "complete": not missing,
                    "missing_partitions": missing,
                    "positions": positions,
                    "next": after and after + cursor(self.name, rows[-1][0]),
                }
            )
        raise unavailable("not_ready", f"partitions of table {self.name} are moving: ask again", _RESTORING_SECONDS)

    def summary(self) -> dict[str, Any]:
        """What there is to know of the table without reading a row of it; ``rows`` counts those that are here."""
        states = self.view.states.values()
        try:
            rows: int | None = self.view.count()
        except UnavailableError:  # a partition left just now
            rows = None
        return {
            "name": self.name,
            "row": self.view.row.name,
            "key": list(self.view.row.key),
            "partitions": self.view.partitions,
            "ready_partitions": sorted(state.partition for state in states if state.ready),
            "missing_partitions": sorted(self.view.missing()),
            "stopped": {str(state.partition): state.stopped for state in states if state.stopped is not None},
            "rows": rows,
        }

    def _rows(self, here: list[int], wanted: Window) -> tuple[list[tuple[bytes, bytes]], bool]:
        stop = wanted.skip + wanted.size + 1  # one more than asked for tells whether there are more
        chunk = max(_LEAST_CHUNK, stop // len(here) + _LEAST_CHUNK)
        ordered = heapq.merge(*(self._from(partition, wanted.after, chunk) for partition in here))
        found = list(islice(ordered, wanted.skip, stop))
        return found[: wanted.size], len(found) > wanted.size

    def _from(self, partition: int, after: bytes, chunk: int) -> Iterator[tuple[bytes, bytes]]:
        while rows := self.view.page(partition, after, chunk):
            yield from rows
            if len(rows) < chunk:
                return
            after = rows[-1][0]

    def _key(self, text: str) -> bytes:
        try:
            key = parse_key_text(self.view.row, text)
        except UnkeyableError as error:
            raise Problem(400, "bad_key", str(error)) from None
        if len(key) > limits.KEY:
            raise Problem(400, "bad_key", f"the key has {len(key)} bytes: {limits.KEY} are the most")
        return key

    def _json(self, value: bytes) -> bytes:
        try:
            row = self.decode(value)
        except UnavailableError:
            detail = f"the schema of a row of {self.name} cannot be fetched from the registry: ask again"
            raise unavailable("no_schema", detail) from None
        if row is None:
            raise TypeError(f"table {self.name} holds something that is no {self.view.row.name}")
        return self._encode(row)

    @cached_property
    def _encode(self) -> Callable[[Message], bytes]:
        return json.encoder(self.view.row)

    def _not_here(self, partition: int) -> Problem:
        stopped = self.view.states[partition].stopped is not None
        why = "stands still until somebody decides" if stopped else "is being restored, or another worker has it"
        detail = f"partition {partition} of table {self.name} {why}: ask again, or see GET /tables"
        return unavailable("not_ready", detail, _STOPPED_SECONDS if stopped else _RESTORING_SECONDS)
