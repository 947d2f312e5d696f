"""What was refused lately: the newest outcomes that are no acceptance, out of the ends of the outcome logs."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import msgspec

from verbwire.errors import UndecodableError
from verbwire.inspection.reading.cluster import TP, OpenCluster, Span
from verbwire.inspection.reading.known_topics import Holds
from verbwire.inspection.reading.records import RecordView, RecordViews
from verbwire.inspection.reading.rows import row_contracts
from verbwire.kafka.readers import consumed
from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.codec.topics import TopicDecoder
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord, OutcomeStatus

LIMIT = 50
_TAIL = 100  # places at the end of each partition that are looked at


class RecentRejections(msgspec.Struct, frozen=True, kw_only=True):
    """Outcomes that are rejected, failed or expired, the newest first, of the last `looked_at` outcomes.

    `counts` says how many of those there were, by command and code (or status, where there is no code).
    """

    records: tuple[RecordView, ...]
    counts: dict[str, dict[str, int]]
    looked_at: int


def rejections(
    cluster: OpenCluster, *, limit: int = LIMIT, tail: int = _TAIL, step: Callable[[], None] = lambda: None
) -> RecentRejections:
    """Return the newest of them. UnavailableError when Kafka cannot be read."""
    logs = [each.name for each in cluster.topics.values() if each.holds is Holds.OUTCOME]
    views = RecordViews(cluster.codec, cluster.topics, row_contracts(cluster.project))
    accepted = _Accepted(cluster)
    found: list[tuple[tuple[int, str, int, int], RecordView]] = []
    counts: dict[str, dict[str, int]] = {}
    looked_at = 0
    for message in cluster.read(_ends(cluster, cluster.all_places(logs), tail)):
        step()
        looked_at += 1
        record = consumed(message)
        if accepted(record):
            continue
        view = views.view(record)
        _count(counts, view)
        entry = ((view.timestamp, view.topic, view.partition, view.offset), view)
        (heapq.heappush if len(found) < limit else heapq.heappushpop)(found, entry)
    return RecentRejections(
        records=tuple(view for _, view in sorted(found, reverse=True)), counts=counts, looked_at=looked_at
    )


class _Accepted:
    """Tells whether a record is the outcome of a command that was accepted: most are, and are not shown."""

    def __init__(self, cluster: OpenCluster) -> None:
        self._codec = cluster.codec
        self._decoders: dict[str, TopicDecoder] = {}

    def __call__(self, record: ConsumedRecord) -> bool:
        decoder = self._decoders.get(record.topic)
        if decoder is None:
            decoder = self._codec.topic_decoder(record.topic, OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
            self._decoders[record.topic] = decoder
        try:
            outcome = decoder.decode(record.value or b"")
        except UndecodableError:
            return False
        return isinstance(outcome, OutcomeRecord) and outcome.status is OutcomeStatus.ACCEPTED


def _ends(cluster: OpenCluster, places: list[TP], tail: int) -> dict[TP, Span]:
    spans = cluster.spans(places)
    return {place: Span(max(span.start, span.end - tail), span.end) for place, span in spans.items()}


def _count(counts: dict[str, dict[str, int]], view: RecordView) -> None:
    said = view.message or {}
    codes = counts.setdefault(said.get("command") or "?", {})
    code = said.get("code") or str(said.get("status") or "unreadable").lower()
    codes[code] = codes.get(code, 0) + 1
