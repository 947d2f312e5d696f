"""FastStream on confluent-kafka: a subscriber that keeps each event in a dict."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from faststream import FastStream
from faststream.confluent import KafkaBroker

from benchmarks.orders import Codec
from benchmarks.peers.counting import Counter
from benchmarks.place import Place

if __name__ == "__main__":
    place = Place.of(sys.argv[1])
    codec, rows = Codec("orders/OrderPlaced"), dict[str, Any]()
    counter = Counter("FastStream (confluent): subscriber + dict, at most once", place.slow)
    broker = KafkaBroker(place.bootstrap, logger=None)

    async def decode(message: Any) -> Any:
        """What FastStream calls a decoder."""
        return codec.decode(message.body)

    @broker.subscriber(  # type: ignore[untyped-decorator]  # not installed where types are checked
        place.topic("bench.orders.events"),
        group_id=place.topic("faststream"),
        auto_offset_reset="earliest",
        decoder=decode,
    )
    async def keep(event: dict[str, Any]) -> None:
        """One entry an event."""
        rows[event["order_id"]] = event
        counter.add()

    asyncio.run(FastStream(broker, logger=None).run())
