"""Quix Streams, exactly once: state in RocksDB with its changelog."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from quixstreams import Application

from benchmarks.orders import Codec
from benchmarks.peers.counting import Counter
from benchmarks.place import Place

if __name__ == "__main__":
    place = Place.of(sys.argv[1])
    codec = Codec("orders/OrderPlaced")
    counter = Counter("Quix Streams: state in RocksDB, exactly once", place.events)
    app = Application(
        broker_address=place.bootstrap,
        consumer_group=place.topic("quix"),
        auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(),
        loglevel="ERROR",
        processing_guarantee="exactly-once",
    )

    def keep(event: dict[str, Any], state: Any) -> None:
        """One row an event."""
        state.set("row", event)
        counter.add()

    topic = app.topic(place.topic("bench.orders.events"), value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(topic).apply(codec.decode).update(keep, stateful=True)
    app.run()
