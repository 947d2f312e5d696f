"""Records that an operator has decided to skip: by the settings, or by a request while their partition stands still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.transaction import Transaction
from verbwire.kafka.record import RecordPlace, place_of
from verbwire.names import record_place
from verbwire.wire.records.requests import RequestRecord, who_skips

SKIPS_FACT = "vw_skips"
"""A fact: the places that were asked for and not reached yet, with who asked and why, as JSON."""

Place: TypeAlias = tuple[str, int, int]
BY_SETTINGS = "the settings say to skip it"


class Skips:
    """The places of one group. Belongs to the engine's thread."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._by_place: dict[str, str] = {place_of(_Place(place)): BY_SETTINGS for place in places}

    def __bool__(self) -> bool:
        return bool(self._by_place)

    def why(self, record: RecordPlace) -> str | None:
        """Return who wants a record skipped, and why; None where nobody does."""
        return self.why_of(place_of(record))

    def why_of(self, place: str) -> str | None:
        """Return the same of a place as people write it."""
        return self._by_place.get(place)

    def hear(self, request: RequestRecord) -> bool:
        """Take a request down; whether it is news."""
        said = who_skips(request)
        return self._by_place.setdefault(request.place, said) is said

    def ask(self, cache: PartitionCache, request: RequestRecord, _: Transaction) -> None:
        """Keep a request beside the rows until its record is reached; one that is passed already changes nothing."""
        self.hear(request)
        if self._is_ahead(cache, request.place):
            kept = {**read_skips(cache.facts), request.place: self._by_place[request.place]}
            cache.facts[SKIPS_FACT] = msgspec.json.encode(kept)
        else:
            self._by_place.pop(request.place, None)

    def _is_ahead(self, cache: PartitionCache, place: str) -> bool:
        """Whether a place is of this partition, and has not been reached."""
        found = record_place(place)
        if found is None:
            return False
        topic, partition, offset = found
        return topic in cache.next and partition == cache.partition and offset >= cache.next[topic]

    def learn(self, cache: PartitionCache) -> None:
        """Take down what stands beside the rows: another worker may have been asked."""
        for place, said in read_skips(cache.facts).items():
            self._by_place.setdefault(place, said)

    def done(self, cache: PartitionCache, record: RecordPlace) -> None:
        """Forget a record that is skipped."""
        kept, place = read_skips(cache.facts), place_of(record)
        if kept.pop(place, None) is not None:
            cache.facts[SKIPS_FACT] = msgspec.json.encode(kept)


class _Place:
    def __init__(self, place: Place) -> None:
        self.topic, self.partition, self.offset = place


def read_skips(facts: Mapping[str, bytes]) -> dict[str, str]:
    """Return who wants which place skipped, by these facts."""
    said = facts.get(SKIPS_FACT)
    return msgspec.json.decode(said, type=dict[str, str]) if said else {}
