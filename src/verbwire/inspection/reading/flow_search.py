"""Looks for the records of one flow in the topics of commands, events, outcomes and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from verbwire.errors import UndecodableError
from verbwire.handling.contexts import correlation_of, id_of
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.known_topics import Holds
from verbwire.kafka.readers import consumed
from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.headers import Headers
from verbwire.wire.records.dead_letters import read_dead_letter

MOST = 5_000
_FLOWS = (Holds.COMMAND, Holds.EVENT, Holds.OUTCOME, Holds.DEAD_LETTER)


@dataclass(frozen=True, slots=True)
class Flow:
    """The records of a flow, in no order."""

    correlation_id: str | None
    records: Sequence[ConsumedRecord]
    left_out: int


class FlowSearch:
    """Reads the topics of flows for the records of one."""

    def __init__(self, cluster: OpenCluster, since: int, until: int | None, step: Callable[[], None]) -> None:
        self.read = 0
        self._left_out = 0
        self._cluster = cluster
        self._step = step
        topics = [each.name for each in cluster.topics.values() if each.holds in _FLOWS]
        self._spans = cluster.spans(cluster.all_places(topics), since=since, until=until)

    def flow(self, wanted: str) -> Flow:
        """Return the flow that an id is of, or that is called so."""
        first = self._records(wanted, any_part=True)
        named = [facts for _, facts in first if facts.id == wanted]
        correlation = next(iter(named or [facts for _, facts in first]), None)
        flow = wanted if correlation is None else correlation.correlation_id
        if any(facts.correlation_id == wanted for _, facts in first):
            flow = wanted
        if flow != wanted:
            first = self._records(flow, any_part=False)
        return Flow(flow if first else None, [record for record, _ in first], self._left_out)

    def _records(self, wanted: str, *, any_part: bool) -> list[tuple[ConsumedRecord, FlowFacts]]:
        """Return the records of the flow of that name; with `any_part` also those that an id is, or has caused."""
        found: list[tuple[ConsumedRecord, FlowFacts]] = []
        self._left_out = 0
        data = wanted.encode(errors="surrogatepass")
        for message in self._cluster.read(self._spans):
            self.read += 1
            self._step()
            headers = message.headers() or ()
            named = any(value == data for _, value in headers)
            if not named and _place_of(message) != wanted:
                continue
            record = consumed(message)
            facts = facts_of(record)
            if facts is not None and (
                wanted in (facts.correlation_id, facts.id) or (any_part and facts.causation_id == wanted)
            ):
                if len(found) < MOST:
                    found.append((record, facts))
                else:
                    self._left_out += 1
        return found


def _place_of(message: Any) -> str:
    """Return where a message lies, which is its id where its producer gave none."""
    return f"{message.topic()}/{message.partition()}/{message.offset()}"


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """What a record's headers say of its flow."""

    id: str
    correlation_id: str
    causation_id: str | None


def facts_of(record: ConsumedRecord) -> FlowFacts | None:
    """Return what a record's headers say of its flow; None where they cannot be read: it is of none that has a name."""
    try:
        letter = read_dead_letter(record.key, record.value, record.headers)
        content = record if letter is None else letter.original
        headers = Headers(content.headers)
        id = id_of(content, headers)
        return FlowFacts(id, correlation_of(headers, id), headers.causation_id)
    except UndecodableError:
        return None
