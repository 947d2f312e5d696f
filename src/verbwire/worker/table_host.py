"""One table as a worker hosts it: each of its generations that is followed is a group of its own, and one answers.

A table that was never rebuilt has one. The watch over the topic of rebuilds tells of the others (`generations/`): what
is to be followed is hosted beside what serves, in this process; a pause is kept at once; what is no longer followed is
let go of, with its copies.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from verbwire.declarations.table import Table
from verbwire.engine.group import GroupEngine
from verbwire.engine.state.reader import StoreReader
from verbwire.errors import VerbwireError
from verbwire.http.operations.health import PartitionHealth
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.table_switch import TableSwitch
from verbwire.kafka.progress import InputProgress
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.rebuilds import Generations, RebuildWord
from verbwire.wire.records.workers import GroupShare
from verbwire.worker.engine_group import EngineGroup, host
from verbwire.worker.remote_tables import generation_elsewhere
from verbwire.worker.services import Services

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_LOOK_SECONDS = 0.02  # until rows that were committed before a switch are here: the write after a commit


def of_generation(services: Services, group: str, number: int) -> Services:
    """Return services whose names mean this generation of a group."""
    codec = services.codec
    names = codec.names.of_generation(group, number)
    return replace(services, codec=Codec(codec.catalog, codec.registry, names))


class TableHost:
    """Implements :class:`~verbwire.worker.services.GroupHost`; what it says is of the generation that serves."""

    def __init__(self, declared: Table[Any], services: Services, generations: Generations) -> None:
        self._declared = declared
        self._services = services
        self._word = RebuildWord(generations=generations)
        self._hosted = {number: self._host(number) for number in generations.followed}
        serving = self._hosted[generations.serving].table
        reader = StoreReader(declared.group, serving.store_reader.row, serving.store_reader.partitions)
        front = replace(serving, store_reader=reader)
        self.switch = TableSwitch(declared.group, partial(generation_elsewhere, front))
        self._front = replace(front, switch=self.switch)
        for number, each in self._hosted.items():
            self.switch.add(number, each.table)
        if generations.last:
            self.switch.serve(generations.serving)
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._following: asyncio.Task[None] | None = None
        self._failed: str | None = None

    # -- what it has

    @property
    def group(self) -> str:
        """The group's name as declared, without prefix."""
        return self._declared.group

    @property
    def serving(self) -> EngineGroup:
        """The generation that answers; where it is not here yet, the one that did before."""
        return self._hosted.get(self.switch.serving) or next(iter(self._hosted.values()))

    @property
    def name(self) -> str:
        """The name of the serving generation's group on the cluster."""
        return self.serving.name

    @property
    def tables(self) -> Sequence[QueryableTable]:
        """The one table, which answers by whichever generation serves."""
        return [self._front]

    @property
    def readers(self) -> Sequence[StoreReader]:
        """The copies of the serving generation."""
        return self.serving.readers

    @property
    def engines(self) -> Sequence[GroupEngine]:
        """Those of all generations."""
        return [each.engine for each in self._hosted.values()]

    # -- life

    def connect(self) -> None:
        """Abort what a predecessor of this name left open."""
        for each in self._hosted.values():
            each.connect()

    async def start(self) -> None:
        """Join the groups, and follow what is said of them from now on."""
        self._loop = asyncio.get_running_loop()
        self._following = asyncio.create_task(self._follow(), name=f"generations of {self.group}")
        await asyncio.gather(*(each.start() for each in self._hosted.values()))

    async def stop(self, leave: bool) -> None:
        """Finish the transactions in hand, then let go."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await asyncio.gather(*(each.stop(leave) for each in self._hosted.values()))

    def told(self, word: RebuildWord) -> None:
        """Take the newest word about this table. From the watch's thread."""
        if word.paused_until_ms:
            self.switch.pause()
        self._word = word
        if self._loop is not None:
            with suppress(RuntimeError):  # the worker stops
                self._loop.call_soon_threadsafe(self._changed.set)
        self._announce()

    # -- what it says

    def shares(self) -> Sequence[GroupShare]:
        """Return what of each generation is here; of one that others may not ask any more, nothing."""
        drained = self.switch.serving if self.switch.drained else None
        return [each.share() for number, each in [*self._hosted.items()] if number != drained]

    def progress(self) -> list[InputProgress]:
        """Return how far the serving generation is with each partition of its inputs that is here."""
        return self.serving.progress()

    def live(self) -> str | None:
        """Return why only a new process can help, or None; what does not serve is no reason to end."""
        return self._failed or self.serving.live()

    def not_ready(self) -> list[str]:
        """Return what keeps this worker from answering for what it owns of the serving generation."""
        return self.serving.not_ready()

    def partition_health(self) -> PartitionHealth:
        """Return which of its partitions are stopped or behind."""
        return self.serving.partition_health()

    # -- inside

    def _host(self, number: int) -> EngineGroup:
        return host(self._declared, of_generation(self._services, self._declared.group, number))

    def _announce(self) -> None:
        self._front.store_reader.changed()

    async def _follow(self) -> None:
        """Make what is hosted what the newest word says, again and again."""
        while True:
            word = self._word
            try:
                await self._become(word)
            except VerbwireError as error:
                log.warning("%s: generations %s: %s", self.group, word.generations.followed, error)
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception as error:
                log.exception("following the generations of %s failed", self.group)
                self._failed = f"its generations cannot be followed: {error!r}"
                return
            if word is self._word:
                await self._changed.wait()
            self._changed.clear()

    async def _become(self, word: RebuildWord) -> None:
        followed = word.generations.followed
        for number in followed:
            if number not in self._hosted:
                await self._add(number)
        if word.paused_until_ms:
            return
        if self.switch.serving != word.generations.serving:
            await self._reached(word)
        if word.generations.last:
            self.switch.serve(word.generations.serving)
        self._announce()
        for number in [each for each in self._hosted if each not in followed]:
            await self._remove(number)

    async def _add(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        log.info("%s: following generation %d beside %d", self.group, number, self.switch.serving)
        added = await loop.run_in_executor(None, self._host, number)
        try:
            added.table.store_reader.changed = self._announce
            await loop.run_in_executor(None, added.connect)
            await added.start()
        except BaseException:
            await added.stop(leave=True)
            added.alone.close()
            raise
        self._hosted = {**self._hosted, number: added}
        self.switch.add(number, added.table)
        self._announce()

    async def _reached(self, word: RebuildWord) -> None:
        """Wait until the rows here of what is to serve are as new as anything that was ever answered."""
        states = self._hosted[word.generations.serving].engine.reader.states
        while word is self._word and any(
            state.ready and state.inputs.get(topic, 0) < ends[state.partition]
            for state in states.values()
            for topic, ends in word.positions.items()
        ):
            await asyncio.sleep(_LOOK_SECONDS)

    async def _remove(self, number: int) -> None:
        log.info("%s: generation %d is followed no more: its copies here are removed", self.group, number)
        removed = self._hosted[number]
        self.switch.remove(number)
        self._hosted = {each: hosted for each, hosted in self._hosted.items() if each != number}
        await removed.stop(leave=True)
        removed.alone.close()
        await asyncio.get_running_loop().run_in_executor(None, partial(shutil.rmtree, removed.copies, True))
        self._announce()
