"""Exchanges the states of an aggregate's partitions, in the aggregate's own changelog, by its owner's transactions.

A generation of them was folded beside the aggregate, by a group over its events (`processors/fold.py`). To take it:

1. ahead of it, while commands are decided: the generation's rows are read into a file
2. the partition is held: the engine's thread does nothing else, all that it has decided is committed and in the copy
3. the generation comes to the last event of the partition. There is none behind that: its owner alone writes events,
   and its owner holds
4. what differs is written to the changelog like any change of a state, what it replaces to the changelog of a
   generation that keeps it, with the position of the events at which that was so
5. commands are decided again, on the new states

So there is no moment at which two states are there for a key, nobody else who could decide from the old one, and
ids, outcomes, positions and copies are what they were: none of them is touched. A worker that loses the partition
meanwhile is refused by its membership, as for any transaction.

What is more than one transaction is begun and ended by a fact about the partition: whoever owns it next ends it, before
it decides anything. Until it is begun nothing has changed, and nobody waits: where the generation does not come to the
end in a moment, the partition goes on with what it has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from verbwire.engine.code.facts import CODE_HEADER, folded_anew, other_code
from verbwire.engine.exchange.difference import ChangedRow, differences, paged, pieces
from verbwire.engine.exchange.generation_rows import GenerationRows, has_records
from verbwire.engine.processors.changelog_writer import ChangelogWriter
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.topology import ExchangePlaces, Topology
from verbwire.engine.transactions.failpoints import hit
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import MessageError, NewerSchemaError, UnavailableError, UndecodableError, VerbwireError
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.wire.records.changelog import INPUTS_HEADER, MARK, write_inputs
from verbwire.wire.records.rebuilds import EXCHANGE_FACT, ExchangeFact, RowExchange, read_exchange, write_exchange

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 5_000  # of a transaction
_HOLD_SECONDS = 3.0  # that a partition waits for a generation which is about to be there
_NEAR = 2_000  # offsets that it may be behind then
_LOOK_SECONDS = 0.2
_AGAIN_SECONDS = 1.0  # after an attempt that came to nothing
_POLL_SECONDS = 0.02


class RowExchanger:
    """Exchanges for one group. Its methods belong to the engine's thread, but for the first three."""

    def __init__(
        self,
        topology: Topology,
        places: Callable[[RowExchange], ExchangePlaces],
        kafka: dict[str, str],
        reader: StoreReader,
        changelog: ChangelogWriter,
        stop: Callable[[int, str], object],
    ) -> None:
        self._topology, self._places, self._kafka, self._reader = topology, places, kafka, reader
        self._stop = stop  # a partition, with why
        self._commands = topology.inputs[0]
        self._changelog = changelog
        self._wanted: RowExchange | None = None
        self._begun: RowExchange | None = None  # is read ahead
        self._ended: RowExchange | None = None  # in all partitions that are here
        self._may: Callable[[], bool] = lambda: False
        self._again = 0.0
        self._ahead: dict[tuple[RowExchange, int], Future[GenerationRows]] = {}
        self._reading = ThreadPoolExecutor(1, thread_name_prefix=f"exchange {topology.group}")
        self._clusters: dict[str, ClusterOffsets] = {}
        self._closed = False
        self.unfinished: set[int] = set()  # partitions in which one is begun, and not ended
        self.moved: Callable[[], None] = lambda: None  # told, on any thread, when there may be something to do

    def told(self, wanted: RowExchange | None, may: Callable[[], bool]) -> None:
        """Take note of what is wanted by now; no exchange is begun but while one `may`."""
        self._wanted, self._may = wanted, may
        self.moved()

    def seconds(self) -> float | None:
        """Return when to look again, None: not before something else happens."""
        return None if self._nothing_wanted() and not self.unfinished else _LOOK_SECONDS

    def is_due(self) -> bool:
        """Whether there is something to do now."""
        if self.unfinished:
            return True
        may = self._may() or self._begun != self._wanted  # it is read ahead while none may
        return not self._nothing_wanted() and may and time.monotonic() >= self._again

    def _nothing_wanted(self) -> bool:
        wanted = self._wanted
        return wanted is None or wanted == self._ended

    def restored(self, caches: Iterable[PartitionCache]) -> None:
        """Take partitions in that have been restored."""
        self._ended = None
        for cache in caches:
            self.unfinished.discard(cache.partition)
            try:
                fact = _fact(cache)
            except UndecodableError as error:  # it is of a release that writes more of it, and may be begun
                self._stop(cache.partition, f"{error}. Start workers of the release that wrote it")
                continue
            if fact is not None and not fact.done:
                self.unfinished.add(cache.partition)

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._closed = True
        self._let_go(None)
        self._reading.shutdown()

    def next(self, caches: Mapping[int, PartitionCache]) -> PartitionExchange | None:
        """Hold a partition and return its exchange, None where none can be done now.

        UnavailableError where one is begun, and cannot go on yet. One that this code cannot end stops its partition:
        neither may it decide on states of both, nor do the others wait for that.
        """
        self.unfinished &= caches.keys()
        for partition in sorted(self.unfinished):
            fact = _fact(caches[partition])
            assert fact is not None  # noqa: S101 (it is unfinished by that)
            try:
                return self._of(caches[partition], fact.exchange)
            except (NewerSchemaError, MessageError) as error:
                self.unfinished.discard(partition)
                self._stop(
                    partition,
                    f"its states were being exchanged for those of generation {fact.exchange.rows}, which this code "
                    f"cannot read: {error}. Start workers with the code by which that was built: they end it",
                )
        if (wanted := self._wanted) is None:
            return None
        self._begun = wanted
        self._let_go(wanted)
        left = [each for each in caches.values() if self._is_left(each, wanted)]
        if not left:
            self._ended = wanted
            self._let_go(None)
        self._again = time.monotonic() + _AGAIN_SECONDS
        try:
            for cache in left:
                if self._is_near(cache, wanted) and self._may():
                    return self._of(cache, wanted)
        except VerbwireError as error:
            log.warning("%s: the states are not exchanged yet, and stay as they are: %s", self._topology.group, error)
        return None

    def over(self, exchange: PartitionExchange) -> None:
        """Note that it is written."""
        self.unfinished.discard(exchange.cache.partition)
        self._again = 0.0
        code = other_code(exchange.cache.facts.get(CODE_HEADER))
        self._reader.states[exchange.cache.partition].other_code = code
        log.info(
            "%s: partition %d decides on the states of generation %d: %d were exchanged",
            self._topology.group,
            exchange.cache.partition,
            exchange.wanted.rows,
            exchange.count,
        )

    # -- inside

    def _is_left(self, cache: PartitionCache, wanted: RowExchange) -> bool:
        """Whether a partition has decided anything, and its states are those of before."""
        if not self._reader.states[cache.partition].ready or cache.next[self._commands] == 0:
            return False
        fact = _fact(cache)
        return not (fact and fact.done and fact.exchange == wanted)

    def _is_near(self, cache: PartitionCache, wanted: RowExchange) -> bool:
        if not self._reads(wanted, cache.partition).done():
            return False
        rows, place = self._rows(wanted, cache.partition), (self._places(wanted).events, cache.partition)
        return self._cluster(wanted).ends([place])[place] - self._reached(wanted, rows, cache.partition) <= _NEAR

    def _of(self, cache: PartitionCache, wanted: RowExchange) -> PartitionExchange:
        rows = self._rows(wanted, cache.partition)
        at = self._until_there(wanted, rows, cache.partition)
        found = PartitionExchange(self, self._places(wanted), wanted, cache, rows, at, self._topology, self._changelog)
        found.require_readable()
        return found

    def _rows(self, wanted: RowExchange, partition: int) -> GenerationRows:
        try:
            return self._reads(wanted, partition).result()
        except VerbwireError:
            del self._ahead[wanted, partition]
            raise

    def _reads(self, wanted: RowExchange, partition: int) -> Future[GenerationRows]:
        """Return the rows of a generation as they are read ahead; begin with that where nobody has."""
        key = wanted, partition
        if key not in self._ahead:
            self._ahead[key] = self._reading.submit(self._read_ahead, wanted, partition)
        return self._ahead[key]

    def _read_ahead(self, wanted: RowExchange, partition: int) -> GenerationRows:
        rows = GenerationRows(self._kafka, self._places(wanted).rows, partition, lambda: self._closed)
        try:
            rows.read()
        except BaseException:
            rows.close()
            raise
        self.moved()
        return rows

    def _until_there(self, wanted: RowExchange, rows: GenerationRows, partition: int) -> int:
        """Wait until the generation is at the last event, and `rows` are all of it; return where the events end."""
        cluster, places, deadline = self._cluster(wanted), self._places(wanted), time.monotonic() + _HOLD_SECONDS
        cluster.topics([places.kept])
        while time.monotonic() < deadline:
            logs = [(places.events, partition), (places.rows, partition)]
            ends, stable = cluster.ends(logs), cluster.stable_ends(logs)
            if all(stable[each] >= ends[each] for each in logs):  # else what is to be read is not there to be seen
                end = ends[places.events, partition]
                # How far it is was said before its rows were read: they are as far, or further.
                reached = self._reached(wanted, rows, partition)
                rows.read()
                if reached >= end or not has_records(self._kafka, (places.events, partition), reached):
                    return end
            time.sleep(_POLL_SECONDS)
        raise UnavailableError(
            f"generation {wanted.rows} is behind the events of partition {partition}: is `verbwire rebuild --switch` "
            "running?"
        )

    def _reached(self, wanted: RowExchange, rows: GenerationRows, partition: int) -> int:
        """Return how far a generation is: its group says so, or the last record that it has written."""
        place = self._places(wanted).events, partition
        committed = self._cluster(wanted).stable([place]).get(place)
        return max((committed and committed.offset) or 0, rows.inputs.get(place[0], 0))

    def _cluster(self, wanted: RowExchange) -> ClusterOffsets:
        group = self._places(wanted).group
        if group not in self._clusters:
            self._clusters = {group: ClusterOffsets(self._kafka, group)}
        return self._clusters[group]

    def _let_go(self, but: RowExchange | None) -> None:
        for key in [each for each in self._ahead if each[0] != but]:
            with suppress(VerbwireError):
                self._ahead.pop(key).result().close()


@dataclass
class PartitionExchange:
    """The exchange of one partition, which is held; `at` is where its events end."""

    exchanger: RowExchanger
    places: ExchangePlaces
    wanted: RowExchange
    cache: PartitionCache
    rows: GenerationRows
    at: int
    topology: Topology
    changelog: ChangelogWriter
    count: int = 0

    def require_readable(self) -> None:
        """Raise for a state that this code cannot read, before anything is changed."""
        for each in self.changed():
            if each.after is not None:
                self.topology.decode(each.after)

    def changed(self) -> Iterator[ChangedRow]:
        """Yield the states that are to be exchanged."""
        store, new = self.cache.store, paged(self.rows.page)
        if self.wanted.whole:
            yield from differences(paged(store.page), new)
            return
        for key, after in new:
            before = store.get([key]).get(key)
            if before != after:
                yield ChangedRow(key, before, after)

    def pieces(self) -> Iterator[tuple[list[ChangedRow], bool]]:
        """Yield what goes into one transaction each, and whether it is the last."""
        return pieces(self.changed(), ROWS_AT_ONCE)

    def write(self, piece: list[ChangedRow], last: bool, transaction: Transaction) -> None:
        """Exchange these in a transaction; with the `last` of them the exchange is done."""
        cache, kept = self.cache, self.places.kept
        cache.begin([each.key for each in piece])
        for key, before, after in piece:
            cache.put(key, None if after is None else self.topology.decode(after))
            if before is not None:
                transaction.produce(kept, cache.partition, key, before)
        if last:
            position = (INPUTS_HEADER, write_inputs({self.places.events: self.at}))
            transaction.produce(kept, cache.partition, MARK, None, [position])
        cache.facts[EXCHANGE_FACT] = write_exchange(ExchangeFact(exchange=self.wanted, done=last))
        if last and self.wanted.whole and (code := folded_anew(cache.facts.get(CODE_HEADER))) is not None:
            cache.facts[CODE_HEADER] = code
        topic = next(iter(cache.next))
        transaction.used(cache, topic, cache.next[topic])  # a worker that has lost the partition is refused by that
        self.changelog.write(transaction, cache)
        cache.end(transaction.of(cache.partition).rows, transaction.written)
        self.count += len(piece)
        hit("exchanging")


def _fact(cache: PartitionCache) -> ExchangeFact | None:
    value = cache.facts.get(EXCHANGE_FACT)
    return None if value is None else read_exchange(value)
