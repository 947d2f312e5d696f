"""Faust without verbwire: an agent that writes a table, in memory, with its changelog."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from benchmarks.orders import Codec
from benchmarks.peers.counting import Counter
from benchmarks.place import Place

if __name__ == "__main__":
    place = Place.of(sys.argv.pop())
    import faust  # reads sys.argv
    from faust.serializers import codecs

    class _Avro(codecs.Codec):  # type: ignore[misc]  # Faust has no types that could be followed
        codec = Codec("orders/OrderPlaced")

        def _dumps(self, obj: Any) -> bytes:
            return self.codec.encode(obj)

        def _loads(self, s: bytes) -> Any:
            return self.codec.decode(s)

    codecs.register("avro", _Avro())
    app = faust.App(
        place.topic("faust-plain"),
        broker=f"kafka://{place.bootstrap}",
        store="memory://",
        topic_partitions=place.partitions,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=tempfile.mkdtemp(),
    )
    events = app.topic(place.topic("bench.orders.events"), key_type=bytes, value_serializer="avro")
    orders = app.Table("orders", partitions=place.partitions)
    counter = Counter("Faust: agent + table in memory, at least once", place.slow)

    @app.agent(events)  # type: ignore[untyped-decorator]  # the same
    async def keep(stream: Any) -> None:
        """One row an event."""
        async for event in stream:
            orders[event["order_id"]] = event
            counter.add()

    sys.argv += ["worker", "-l", "error", "--without-web"]
    app.main()
