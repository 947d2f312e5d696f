"""Transactions that hang: what lies behind the last stable offset of a log for longer than a transaction may take."""

from __future__ import annotations

from collections.abc import Iterator

from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.inspection.first_records import first_timestamps
from verbwire.inspection.lag import broker_time
from verbwire.inspection.topics import topics

_CHECK = "transactions"


def check_transactions(patient: Patient) -> Iterator[Diagnosis]:
    """Look at each log of the project whose end is not stable."""
    view = patient.view
    cluster = view.offsets("")
    there = cluster.topic_identities([each.name for each in topics(view.project)])
    places = [(name, partition) for name, found in sorted(there.items()) for partition in range(found.partitions)]
    stable, ends = cluster.stable_ends(places), cluster.ends(places)
    open_ones = [(place, stable[place]) for place in places if ends[place] > stable[place]]
    now_ms, _ = broker_time(view)
    patient.facts["logs"] = f"{len(places):,} partitions, {len(open_ones)} with an open transaction"
    first = first_timestamps(view.kafka, open_ones, committed=False) if open_ones else {}
    for (topic, partition), offset in open_ones:
        at_ms = first.get(((topic, partition), offset))
        seconds = None if at_ms is None else (now_ms - at_ms) / 1000
        if seconds is not None and seconds > patient.stale_seconds:
            waiting = ends[topic, partition] - offset
            yield Diagnosis(
                check=_CHECK,
                about=f"{topic}/{partition}",
                what=f"a transaction is open at {offset} for {seconds:,.0f} s: {waiting:,} records wait behind it",
                do="find its producer (kafka-transactions.sh find-hanging), restart or end it; `kafka-transactions.sh "
                f"abort --topic {topic} --partition {partition} --start-offset {offset}` where it is gone",
                grave=True,
            )
