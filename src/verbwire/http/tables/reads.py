"""Reads tables for a request: rows that are here, rows of other workers, and as new as the request says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from verbwire.engine.state.connections import NotAtOnceError
from verbwire.http.base import problem_types
from verbwire.http.base.concurrency import ConcurrencyLimiter
from verbwire.http.base.limits import PageLimits, RequestLimits
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import json_bytes
from verbwire.http.base.routing import Answer
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.forwarding.partial_list import PartialList, size_of
from verbwire.http.forwarding.peers import ALONE, Peers, partial_response
from verbwire.http.tables.completeness import freshness_header, not_found, require_complete, require_complete_list
from verbwire.http.tables.lists import Listing
from verbwire.http.tables.position_bound import PositionBound, PositionBounds, require_applied
from verbwire.http.tables.queryable_table import FoundRow, QueryableTable
from verbwire.http.tables.read_context import ReadContext
from verbwire.http.tables.short_reads import ShortReads
from verbwire.messages import Message
from verbwire.queries.selection import Condition

_SHORT_PAGE = 100  # rows that the loop may read, and write, for one request

See = Callable[[Message], bool]


class TableReads:
    """Answers from wherever the rows are, once they are as new as the request says. Used on HTTP's loop.

    It asks `peers` for what is not here. Functions of users (`see`, `restrict`) are called off the loop.
    """

    def __init__(self, peers: Peers = ALONE, limits: RequestLimits = RequestLimits()) -> None:
        self.readers = BoundedThreadPool(limits.readers, limits.waiting)
        self.responders = BoundedThreadPool(limits.responders, limits.waiting)
        self._askers = BoundedThreadPool(limits.askers, limits.waiting)
        self._pages = limits.pages
        self._peers = peers
        self._waits = ConcurrencyLimiter("waits for what you have seen", limits.waits, limits.waits_each)
        self._fresh_seconds = limits.fresh_seconds
        self._short_reads = ShortReads()
        self._bounds: dict[str, PositionBounds] = {}

    def context(self, request: Request, topics: Collection[str] | None = None) -> ReadContext:
        """Return what a request asks of the tables that it reads; 400 as :meth:`ReadContext.of`."""
        return ReadContext.of(request, self._fresh_seconds, topics)

    def close(self) -> None:
        """Stop the threads."""
        self.readers.close()
        self.responders.close()
        self._askers.close()

    def row(
        self, context: ReadContext, table: QueryableTable, key: bytes, absent: HttpProblem, see: See | None = None
    ) -> Answer:
        """Return the row under a key; raises `absent` where there is none, or none that the principal may `see`.

        A header tells whether its partition has caught up; 503 where it has not, and the request insists on it.
        """
        if table.switch is not None:
            return table.switch.answer(
                context.request.generation,
                lambda one, number: self.row(context.of_generation(number), one, key, absent, see),
            )
        partition = table.partition_of(key)
        owner = None if table.store_reader.has(partition) else self._peers.owner(context.request, table.name, partition)
        if owner is not None:
            return self._peers.forward(owner, context.request)
        if see is None and (found := self._at_once(context, table, partition, key)) is not None:
            return _row_answer(table, found, absent, complete=context.complete)
        return self._row(context, table, partition, key, absent, see)

    def _at_once(self, context: ReadContext, table: QueryableTable, partition: int, key: bytes) -> FoundRow | None:
        """Return a row that is to be had without waiting, as new as the request says; None where it is not."""
        bound = self._bounds_of(table).applied([partition], context.bound)
        return None if bound is None else self._read_at_once(table, partition, key, bound, context.stale)

    def _read_at_once(
        self, table: QueryableTable, partition: int, key: bytes, bound: PositionBound, stale: bool
    ) -> FoundRow | None:
        if not self._short_reads.begin():
            return None
        try:
            _require_applied(table, partition, bound)
            return table.row_at_once(partition, key, stale)
        except NotAtOnceError:
            return None
        finally:
            self._short_reads.end()

    async def _row(
        self,
        context: ReadContext,
        table: QueryableTable,
        partition: int,
        key: bytes,
        absent: HttpProblem,
        see: See | None,
    ) -> Response:
        bound = await self._bounds_of(table).until_applied(context.principal.actor, [partition], context.bound)

        def read() -> FoundRow:
            _require_applied(table, partition, bound)
            return table.row(partition, key, see, context.stale)

        found = self._read_at_once(table, partition, key, bound, context.stale) if see is None else None
        if found is None:
            found = await self.readers.run_short(read)
        return _row_answer(table, found, absent, complete=context.complete)

    def rows(
        self,
        context: ReadContext,
        table: QueryableTable,
        head: Mapping[str, Any],
        listing: Listing,
        restrict: Callable[[], Sequence[Condition]] | None = None,
    ) -> Answer:
        """Return a list; `restrict` says what the principal may see of it.

        503 where no partition is here: an empty list would look like an answer. And where the request insists on a
        complete one, which it is not.
        """
        if table.switch is not None:
            return table.switch.answer(
                context.request.generation,
                lambda one, number: self.rows(context.of_generation(number), one, head, listing, restrict),
            )
        if restrict is None and (found := self._page_at_once(context, table, listing)) is not None:
            return self._list(context, table, head, listing, found)
        return self._rows(context, table, head, listing, restrict)

    def _page_at_once(self, context: ReadContext, table: QueryableTable, listing: Listing) -> PartialList | None:
        """Return a short page that is all here, and as new as the request says; None where it is not to be had."""
        window, ready = listing.window, table.store_reader.ready()
        partitions = _asked(context, table)
        if window.skip + window.size > _SHORT_PAGE or not {*partitions} <= {*ready}:
            return None
        bound = self._bounds_of(table).applied(partitions, context.bound)
        if bound is None or not self._short_reads.begin():
            return None
        try:
            found = _read_list(table, listing, partitions, bound, self._pages, patient=False)
        except NotAtOnceError:
            return None
        finally:
            self._short_reads.end()
        context.request.byte_budget.take(size_of(found))
        return found

    async def _rows(
        self,
        context: ReadContext,
        table: QueryableTable,
        head: Mapping[str, Any],
        listing: Listing,
        restrict: Callable[[], Sequence[Condition]] | None,
    ) -> Response:
        if restrict is not None:
            listing = listing.restricted(await self.readers.run_short(restrict))
        local, asked = partial(self._local, context, table, listing), _asked(context, table)
        if context.request.partitions is not None:
            found = await local(asked)
        else:
            found = await self._peers.gather(context.request, table.name, asked, table.store_reader.ready(), local)
        return self._list(context, table, head, listing, found)

    def _list(
        self, context: ReadContext, table: QueryableTable, head: Mapping[str, Any], listing: Listing, found: PartialList
    ) -> Response:
        if context.request.partitions is not None:
            return partial_response(found)
        if len(found.missing) == table.store_reader.partitions:
            raise table.not_here(found.missing[0])
        if context.complete:
            require_complete_list(table, found)
        return json_bytes(listing.answer(head, found, self._pages.page))

    async def _local(
        self, context: ReadContext, table: QueryableTable, listing: Listing, partitions: Sequence[int]
    ) -> PartialList:
        """Return what this worker has of a list in these partitions."""
        bound = await self._bounds_of(table).until_applied(context.principal.actor, partitions, context.bound)
        found = await self.readers.run(lambda: _read_list(table, listing, partitions, bound, self._pages))
        context.request.byte_budget.take(size_of(found))  # other workers may yet have to be waited for
        return found

    def _bounds_of(self, table: QueryableTable) -> PositionBounds:
        bounds = self._bounds.get(table.name)
        if bounds is None:
            bounds = self._bounds[table.name] = PositionBounds(table, self._waits, self._askers)
        return bounds


def _require_applied(table: QueryableTable, partition: int, bound: PositionBound) -> None:
    if bound.positions:
        require_applied(table, {partition: table.store_reader.states[partition].inputs}, bound)


def _row_answer(table: QueryableTable, found: FoundRow, absent: HttpProblem, *, complete: bool) -> Response:
    if complete:
        require_complete(table, found.behind)
    if found.json is None:
        raise not_found(absent, found)
    return json_bytes(found.json, freshness_header(found))


def _read_list(
    table: QueryableTable,
    listing: Listing,
    partitions: Sequence[int],
    bound: PositionBound,
    pages: PageLimits,
    patient: bool = True,
) -> PartialList:
    whole = len(partitions) == table.store_reader.partitions
    found = table.find(partitions, listing.selection, listing.window, pages, whole=whole, patient=patient)
    require_applied(table, found.positions, bound)
    return found


def _asked(context: ReadContext, table: QueryableTable) -> Sequence[int]:
    """Return the partitions that a list is to be of: all, or those that another worker asks for."""
    asked = context.request.partitions
    if asked is None:
        return range(table.store_reader.partitions)
    if not set(asked) <= table.store_reader.states.keys():
        raise HttpProblem(
            problem_types.BAD_PARTITIONS, f"table {table.name} has {table.store_reader.partitions} partitions"
        )
    return asked
