"""Which records of a row's key are parked, and why: they were read, and are not in the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from verbwire.errors import UndecodableError
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.folding import Folded
from verbwire.kafka.record import place_of
from verbwire.wire.records.parked import PARKED_RECORD, ParkedRecord, read_parked_key


def parked_records(
    cluster: OpenCluster, declared: Folded, partition: int, key: bytes, step: Callable[[], None]
) -> Mapping[str, str]:
    """Return the places of a key's parked records, in their order, each with why it cannot be handled."""
    if declared.parking is None:
        return {}
    names = cluster.project.settings.names
    topic = names.parked(names.group(declared.group))
    decoder = cluster.codec.topic_decoder(topic, PARKED_RECORD.namespace, {PARKED_RECORD.name: ParkedRecord})
    found: dict[int, ParkedRecord | None] = {}
    for message in cluster.read(cluster.spans([(topic, partition)])):
        step()
        try:
            its, number = read_parked_key(message.key() or b"")
        except UndecodableError:
            continue
        if its == key:
            value = message.value()
            record = None if value is None else decoder.decode(value)
            found[number] = record if isinstance(record, ParkedRecord) else None
    every = [record for _, record in sorted(found.items()) if record is not None]
    return {place_of(each.original): each.reason for each in every}
