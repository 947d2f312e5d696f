"""How long a command takes, from sending it to having its outcome, with 1, 16 and 256 of them under way.

``python -m benchmarks.latency NAME PLACE [HOW-MANY] [URL TOKEN...]``: ``bare_receiver`` answers until it is killed, the
others ask.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import cycle

from confluent_kafka import TopicPartition

from benchmarks import bare, load, orders
from benchmarks.figures import Figure, Stopwatch, percentile
from benchmarks.place import Place
from benchmarks.sdk import connection
from benchmarks.shop.schemas.desk import GetAcceptedOrder, PlaceOrder
from verbwire import Accepted
from verbwire.client.client import Client

WARM_UP = 20
IN_FLIGHT = {1: 1, 16: 4, 256: 16}  # and how many times as many are asked


def bare_receiver(place: Place) -> None:
    """The hand-written exactly-once loop; it takes what is there, and answers it in one transaction."""
    topics = {each: place.topic(f"ask-{each}") for each in ("commands", "events", "outcomes", "state")}
    decider = bare.Decider(place, "bare-asked", topics, bare.all_headers, **{"linger.ms": 0})
    while True:
        if found := decider.receive(bare.TRANSACTION, 1.0):
            decider.decide(found)


def of_bare(place: Place, in_flight: str, *_: str) -> None:
    """Ask the hand-written loop: a producer, and a consumer that reads what is committed, on one thread."""
    asker = _BareAsker(place)
    _tell(f"bare request-reply, {in_flight} in flight", int(in_flight), asker.ask, place.asks)
    asker.close()


class _BareAsker:
    """Keeps a number of commands under way and matches outcomes by their keys."""

    def __init__(self, place: Place) -> None:
        self._codec, self._writer = orders.Codec("desk/PlaceOrder"), bare.producer(place, **{"linger.ms": 0})
        self._commands, outcomes = place.topic("ask-commands"), place.topic("ask-outcomes")
        self._reader = bare.consumer(place, "asker", **{"isolation.level": "read_committed", "fetch.wait.max.ms": 5})
        places = [TopicPartition(outcomes, each) for each in range(place.partitions)]
        ends = [self._reader.get_watermark_offsets(each)[1] for each in places]
        self._reader.assign([TopicPartition(outcomes, each, end) for each, end in enumerate(ends)])

    def ask(self, number: int, in_flight: int) -> list[float]:
        """Return the seconds that each took."""
        taken: list[float] = []
        sent: dict[bytes, float] = {}
        keys = iter([f"ask-{time.time_ns()}-{i}".encode() for i in range(number)])
        last = time.perf_counter()
        while len(taken) < number:
            while len(sent) < in_flight and (key := next(keys, None)):
                self._send(key, sent)
            self._writer.poll(0)
            first = self._reader.poll(0.05)
            now = time.perf_counter()
            for message in [] if first is None else [first, *self._reader.consume(1000, 0)]:
                if (began := sent.pop(message.key(), None)) is not None:
                    taken.append(now - began)
                    last = now
            if now - last > bare.IDLE_SECONDS:
                raise TimeoutError(f"{len(sent)} outcomes did not come: does the receiver run?")
        return taken

    def _send(self, key: bytes, sent: dict[bytes, float]) -> None:
        sent[key] = time.perf_counter()
        value = self._codec.encode({"order_id": key.decode(), "customer_id": "c1", "total_pence": 1})
        self._writer.produce(self._commands, value, key, headers=orders.headers("command", key.decode()))

    def close(self) -> None:
        """Let go of the broker."""
        self._reader.close()


def of_verbwire(place: Place, in_flight: str, *_: str) -> None:
    """`Client.ask`, awaited."""
    with Client(connection(place)) as client:

        async def one(key: str) -> None:
            assert isinstance(await client.ask(_command(key)), Accepted)

        _tell(f"verbwire Client.ask, {in_flight} in flight", int(in_flight), _gathered(one), place.asks)


def of_http(place: Place, in_flight: str, url: str, *tokens: str) -> None:
    """``POST /commands/PlaceOrder``, on as many connections, by a client that costs little: not to be the limit."""

    def ask(number: int, in_flight: int) -> list[float]:
        return asyncio.run(load.run(url, _posts(url, cycle(tokens), number), in_flight))

    _tell(f"verbwire over HTTP, {in_flight} in flight", int(in_flight), ask, place.asks)


def _posts(url: str, tokens: Iterator[str], number: int) -> Iterator[bytes]:
    for i in range(number):
        order = {"order_id": f"http-{time.time_ns()}-{i}", "customer_id": "c1", "total_pence": 1}
        yield load.request(url, "POST /commands/PlaceOrder", next(tokens), json.dumps(order).encode())


def of_rows(place: Place, url: str, token: str, *_: str) -> None:
    """From an outcome to the row that it led to: ask, then query in the same client, which waits for its own write."""
    with Client(replace(connection(place), http_endpoints=(url,), token=lambda: token)) as client:
        asked, seen, again = [], [], []
        for i in range(WARM_UP + place.asks):
            key = f"row-{time.time_ns()}-{i}"
            began = time.perf_counter()
            client.ask(_command(key)).result(30)
            decided = time.perf_counter()
            client.query(GetAcceptedOrder(order_id=key)).result(30)
            there = time.perf_counter()
            client.query(GetAcceptedOrder(order_id=key)).result(30)
            asked.append(decided - began)
            seen.append(there - decided)
            again.append(time.perf_counter() - there)
    for name, taken in (
        ("verbwire Client.query, the row long there", again),
        ("verbwire: from the outcome to the row, asked for at once", seen),
        ("verbwire Client.ask, before it", asked),
    ):
        _figure(name, taken[WARM_UP:], sum(taken[WARM_UP:]), 0.0).tell()


def _command(key: str) -> PlaceOrder:
    return PlaceOrder(order_id=key, customer_id="c1", total_pence=1)


def _gathered(one: Callable[[str], Awaitable[None]]) -> Callable[[int, int], list[float]]:
    return lambda number, in_flight: asyncio.run(_all(one, number, in_flight))


async def _all(one: Callable[[str], Awaitable[None]], number: int, in_flight: int) -> list[float]:
    """Keep `in_flight` of them under way until `number` are done."""
    taken: list[float] = []
    keys = iter([f"ask-{time.time_ns()}-{i}" for i in range(number)])

    async def lane() -> None:
        for key in keys:
            began = time.perf_counter()
            await one(key)
            taken.append(time.perf_counter() - began)

    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return taken


def _tell(name: str, in_flight: int, ask: Callable[[int, int], list[float]], asks: int) -> None:
    ask(max(WARM_UP, 4 * in_flight), in_flight)
    watch = Stopwatch()
    taken = ask(asks * IN_FLIGHT[in_flight], in_flight)
    whole = watch.figure(name, len(taken))
    _figure(name, taken, whole.seconds, whole.cpu).tell()


def _figure(name: str, taken: list[float], seconds: float, cpu: float) -> Figure:
    more = {f"p{n}_ms": percentile(taken, n / 100) * 1000 for n in (50, 99)}
    return Figure(name, len(taken), seconds, cpu, more)


if __name__ == "__main__":
    cases: dict[str, Callable[..., None]] = {
        "bare_receiver": bare_receiver,
        "bare": of_bare,
        "verbwire": of_verbwire,
        "http": of_http,
        "rows": of_rows,
    }
    cases[sys.argv[1]](Place.of(sys.argv[2]), *sys.argv[3:])
