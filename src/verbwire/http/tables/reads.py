"""Reading tables for a request, whoever it is for: an operator, or a query and what its asker may see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from verbwire.http.base import limits, problem_types
from verbwire.http.base.concurrency import ConcurrencyLimiter
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import json_bytes, principal_of, room_of
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.forwarding.partial_list import PartialList, size_of
from verbwire.http.forwarding.peers import Peers, asked_partitions, found_response
from verbwire.http.tables.completeness import doubtful, insists, require_complete, require_complete_list, told
from verbwire.http.tables.lists import Listing
from verbwire.http.tables.position_bound import PositionBound, PositionBounds, require_applied, wanted_of
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.messages import Message


class TableReads:
    """Answers from wherever the rows are, once they are as far as the request says. Used on HTTP's loop.

    What is not here is asked for by way of `peers`. What is handed over to be called is called off the loop. `topics`
    are those that a position may name; None: any.
    """

    def __init__(self, peers: Peers, topics: Collection[str] | None = None) -> None:
        self.readers = BoundedThreadPool(limits.READERS, limits.WAITING)
        self.responders = BoundedThreadPool(limits.RESPONDERS, limits.WAITING)
        self._askers = BoundedThreadPool(limits.ASKERS, limits.WAITING)
        self._peers = peers
        self._topics = topics
        self._waits = ConcurrencyLimiter("waits for what you have seen", limits.WAITS, limits.WAITS_EACH)
        self._freshness: dict[str, PositionBounds] = {}

    def close(self) -> None:
        """Let go of the threads."""
        self.readers.close()
        self.responders.close()
        self._askers.close()

    async def row(
        self,
        request: Request,
        table: QueryableTable,
        key: bytes,
        absent: HttpProblem,
        see: Callable[[Message], bool] | None = None,
    ) -> Response:
        """Return the row under a key; raises `absent` where there is none, or none that the asker may `see`.

        Told with it is whether its partition has caught up; 503 where it has not, and the request insists on it.
        """
        partition, wanted = table.partition_of(key), wanted_of(request, self._topics)
        owner = None if table.view.has(partition) else self._peers.owner(request, table.name, partition)
        if owner is not None:
            return await self._peers.forward(owner, request)
        whole = insists(request)
        wanted = await self._until_applied(request, table, [partition], wanted)

        def read() -> tuple[bytes, int | None]:
            require_applied(table, {partition: table.view.states[partition].inputs}, wanted)
            row, behind = table.row(key, see)
            if whole:
                require_complete(table, behind)
            if row is None:
                raise doubtful(absent, behind)
            return table.json(row), behind

        body, behind = await self.readers.run_short(read)
        return json_bytes(body, told(behind))

    async def rows(
        self, request: Request, table: QueryableTable, head: Mapping[str, Any], listing: Callable[[], Listing]
    ) -> Response:
        """Return a list; `listing` says which.

        503 where no partition is here: an empty list would look like an answer. And where the request insists on a
        complete one, which it is not.
        """
        wanted, whole, every = wanted_of(request, self._topics), insists(request), range(table.view.partitions)
        asked = await self.readers.run_short(listing)

        async def local(partitions: Sequence[int]) -> PartialList:
            far_enough = await self._until_applied(request, table, partitions, wanted)

            def read() -> PartialList:
                found = table.find(partitions, asked.selection, asked.window, whole=len(partitions) == len(every))
                require_applied(table, found.positions, far_enough)
                return found

            found = await self.readers.run(read)
            room_of(request).take(size_of(found))  # others may yet have to be waited for
            return found

        for_worker = asked_partitions(request)
        if for_worker is not None:
            return found_response(await local(_partitions_of(table, for_worker)))
        found = await self._peers.gather(request, table.name, every, table.view.ready(), local)
        if len(found.missing) == len(every):
            raise table.not_here(found.missing[0])
        if whole:
            require_complete_list(table, found)
        return json_bytes(asked.answer(head, found))

    async def _until_applied(
        self, request: Request, table: QueryableTable, partitions: Sequence[int], wanted: PositionBound
    ) -> PositionBound:
        freshness = self._freshness.get(table.name)
        if freshness is None:
            freshness = self._freshness[table.name] = PositionBounds(table, self._waits, self._askers)
        return await freshness.until_applied(principal_of(request).actor, partitions, wanted)


def _partitions_of(table: QueryableTable, asked: list[int]) -> list[int]:
    if not set(asked) <= table.view.states.keys():
        raise HttpProblem(problem_types.BAD_PARTITIONS, f"table {table.name} has {table.view.partitions} partitions")
    return asked
