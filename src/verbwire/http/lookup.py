"""Reading tables for a request, whoever it is for: an operator, or a query and what its asker may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from verbwire.http import limits
from verbwire.http.found import Found
from verbwire.http.freshness import require_applied, until_applied, wanted_of
from verbwire.http.lists import Listing
from verbwire.http.peers import Peers, asked_partitions, found_response
from verbwire.http.problem import Problem
from verbwire.http.reads import Readers
from verbwire.http.requests import json_bytes
from verbwire.http.served import ServedTable
from verbwire.messages import Message


class Lookup:
    """Answers from wherever the rows are, once they are as far as the request says. Used on HTTP's loop.

    What is not here is asked for by way of `peers`. What is handed over to be called is called off the loop.
    """

    def __init__(self, peers: Peers) -> None:
        self.readers = Readers(limits.READERS, limits.WAITING)
        self.responders = Readers(limits.RESPONDERS, limits.WAITING)
        self._peers = peers

    def close(self) -> None:
        """Let go of the threads."""
        self.readers.close()
        self.responders.close()

    async def row(
        self, request: Request, table: ServedTable, key: bytes, see: Callable[[Message], bool], absent: Problem
    ) -> Response:
        """Return the row under a key; raises `absent` where there is none that the asker may `see`."""
        partition = table.partition_of(key)
        owner = None if table.view.has(partition) else self._peers.owner(request, table.name, partition)
        if owner is not None:
            return await self._peers.forward(owner, request)
        wanted = await until_applied(table, [partition], wanted_of(request), self.readers)

        def read() -> bytes:
            require_applied(table, {partition: table.view.states[partition].inputs}, wanted)
            row = table.row(key)
            if row is None or not see(row):
                raise absent
            return table.json(row)

        return json_bytes(await self.readers.run_short(read))

    async def rows(
        self, request: Request, table: ServedTable, head: Mapping[str, Any], listing: Callable[[], Listing]
    ) -> Response:
        """Return a list; `listing` says which.

        503 where no partition is here: an empty list would look like an answer.
        """
        wanted, every = wanted_of(request), range(table.view.partitions)
        asked = await self.readers.run_short(listing)

        async def local(partitions: Sequence[int]) -> Found:
            far_enough = await until_applied(table, partitions, wanted, self.readers)

            def read() -> Found:
                found = table.find(partitions, asked.selection, asked.window, whole=len(partitions) == len(every))
                require_applied(table, found.positions, far_enough)
                return found

            return await self.readers.run(read)

        for_worker = asked_partitions(request)
        if for_worker is not None:
            return found_response(await local(_partitions_of(table, for_worker)))
        found = await self._peers.gather(request, table.name, every, table.view.ready(), local)
        if len(found.missing) == len(every):
            raise table.not_here(found.missing[0])
        return json_bytes(asked.answer(head, found))


def _partitions_of(table: ServedTable, asked: list[int]) -> list[int]:
    if not set(asked) <= table.view.states.keys():
        raise Problem(400, "bad_partitions", f"table {table.name} has {table.view.partitions} partitions")
    return asked
