"""How long one command takes when nothing else is under way: from sending it to reading its outcome, committed.

``python -m benchmarks.latency NAME PLACE``: ``bare_receiver`` answers until it is killed, the others ask.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from benchmarks import bare, orders
from benchmarks.figures import Figure, percentile
from benchmarks.place import Place
from benchmarks.sdk import connection
from benchmarks.shop.schemas.desk import PlaceOrder
from verbwire.sdk.client import Client

WARM_UP = 20


def bare_receiver(place: Place) -> None:
    """The hand-written exactly-once loop, a transaction a command."""
    topics = {each: place.topic(f"ask-{each}") for each in ("commands", "events", "outcomes", "state")}
    decider = bare.Decider(place, "bare-asked", topics, bare.all_headers, **{"linger.ms": 0})
    while True:
        if found := decider.receive(bare.TRANSACTION, 1.0):
            decider.decide(found)


def of_bare(place: Place) -> None:
    """Ask the hand-written loop."""
    codec, writer = orders.Codec("desk/PlaceOrder"), bare.producer(place, **{"linger.ms": 0})

    def send(key: str) -> None:
        value = codec.encode({"order_id": key, "customer_id": "c1", "total_pence": 1})
        writer.produce(place.topic("ask-commands"), value, key.encode(), headers=orders.headers("command", key))
        writer.flush()

    _ask("bare transactional loop, one command at a time", place, send, place.topic("ask-outcomes"))


def of_verbwire(place: Place) -> None:
    """Ask verbwire's worker, with a client as it is made for everybody."""
    with Client(connection(place)) as client:

        def ask(key: str) -> None:
            client.ask(PlaceOrder(order_id=key, customer_id="c1", total_pence=1)).result(30)

        _time("verbwire Client.ask, one command at a time", place, ask)


def _ask(name: str, place: Place, send: Callable[[str], None], outcomes: str) -> None:
    """Send one command after another, each when the outcome of the last one is there."""
    reader = bare.consumer(place, "asker", **{"isolation.level": "read_committed", "fetch.wait.max.ms": 5})
    ends = [reader.get_watermark_offsets(TopicPartition(outcomes, each))[1] for each in range(place.partitions)]
    reader.assign([TopicPartition(outcomes, each, end) for each, end in enumerate(ends)])

    def ask(key: str) -> None:
        send(key)
        _await(reader, key)

    _time(name, place, ask)
    reader.close()


def _time(name: str, place: Place, ask: Callable[[str], None]) -> None:
    taken = [_seconds(ask, f"ask-{time.time_ns()}") for _ in range(WARM_UP + place.asks)][WARM_UP:]
    more = {f"p{n}_ms": percentile(taken, n / 100) * 1000 for n in (50, 99)}
    Figure(name, len(taken), sum(taken), 0.0, more).tell()


def _seconds(ask: Callable[[str], None], key: str) -> float:
    began = time.perf_counter()
    ask(key)
    return time.perf_counter() - began


def _await(reader: Consumer, key: str) -> None:
    began = time.perf_counter()
    while (found := reader.poll(1.0)) is None or found.error() or found.key() != key.encode():
        if time.perf_counter() - began > bare.IDLE_SECONDS:
            raise TimeoutError(f"no outcome of {key}: does the receiver run?")


if __name__ == "__main__":
    {"bare_receiver": bare_receiver, "bare": of_bare, "verbwire": of_verbwire}[sys.argv[1]](Place.of(sys.argv[2]))
