"""The bare loops: confluent-kafka and fastavro by hand, with nothing around them. The limit in Python.

``python -m benchmarks.bare NAME PLACE`` runs one of them and tells its figures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks import orders
from benchmarks.figures import Stopwatch
from benchmarks.place import Place

BATCH = 1000
TRANSACTION = 5000
IDLE_SECONDS = 30.0


class What(NamedTuple):
    """What a producer writes."""

    schema: str
    values: Callable[[int], Iterator[dict[str, Any]]]
    number: Callable[[Place], int]


EVENTS = What("orders/OrderPlaced", orders.events, attrgetter("events"))
COMMANDS = What("desk/PlaceOrder", orders.commands, attrgetter("commands"))


def producer(place: Place, **more: Any) -> Producer:
    """Return an idempotent producer with the settings that the fast ones have in common."""
    return Producer(
        {
            "bootstrap.servers": place.bootstrap,
            "linger.ms": 5,
            "compression.type": "lz4",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            **more,
        }
    )


def consumer(place: Place, group: str, **more: Any) -> Consumer:
    """Return a consumer that starts at the first record."""
    return Consumer(
        {
            "bootstrap.servers": place.bootstrap,
            "group.id": place.topic(group),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,  # by default a partition whose queue was full is let alone for a second
            **more,
        }
    )


def batches(reader: Consumer, size: int) -> Iterator[list[Message]]:
    """Yield what comes, `size` records at most at once, until nothing comes any more."""
    while found := reader.consume(size, IDLE_SECONDS):
        yield [message for message in found if message.error() is None]


def warm_up(place: Place) -> None:
    """The first records that a broker gets are its slowest; nobody looks at this figure."""
    _produce("warm-up", place, "warm-up", EVENTS, "event")


def produce(place: Place) -> None:
    """Events without any header."""
    _produce("bare loop: produce + encode, no headers", place, "plain", EVENTS, None)


def produce_with_headers(place: Place) -> None:
    """Events with the headers that verbwire writes."""
    _produce("bare loop: produce + encode, all headers", place, "plain-headers", EVENTS, "event")


def produce_commands(place: Place) -> None:
    """Commands with the headers that verbwire writes."""
    _produce("bare loop: produce + encode, all headers", place, "plain-commands", COMMANDS, "command")


def consume(place: Place) -> None:
    """Read them, decode them, keep them in a dict."""
    _consume("bare loop: consume + decode + dict", place, place.topic("plain"), with_headers=False)


def consume_past_headers(place: Place) -> None:
    """The same on verbwire's own topic; the headers are fetched, nobody looks at them."""
    name = "bare loop: consume + decode + dict, records with all headers, not looked at"
    _consume(name, place, place.topic("bench.orders.events"), with_headers=False)


def consume_with_headers(place: Place) -> None:
    """The same with a look at the headers of each record."""
    name = "bare loop: consume + decode + dict, records with all headers, read"
    _consume(name, place, place.topic("bench.orders.events"), with_headers=True)


def restore(place: Place) -> None:
    """The rows of the table's changelog into a dict."""
    topic = place.topic("bench.orders-orders-changelog")
    reader = consumer(place, "bare-restore", **{"isolation.level": "read_committed"})
    reader.assign([TopicPartition(topic, each, 0) for each in range(place.partitions)])
    rows: dict[bytes, bytes] = {}
    watch = Stopwatch()
    for found in batches(reader, TRANSACTION):
        for message in found:
            rows[message.key()] = message.value()
        if len(rows) >= place.events:
            break
    watch.figure("bare loop: changelog into a dict", len(rows)).tell()
    reader.close()


def transactions(place: Place) -> None:
    """Decode, decide, event + state row + outcome, offsets, commit; the few headers that such a loop would have."""
    _transactions("bare transactional loop", place, few_headers)


def transactions_with_headers(place: Place) -> None:
    """The same with the headers that verbwire's aggregate writes."""
    _transactions("bare transactional loop, all headers", place, all_headers)


def few_headers(command_id: bytes) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Return the headers of an event and those of its outcome: id, type, causation."""
    event = [("ce_id", command_id + b":0"), ("ce_type", b"bench.desk.OrderAccepted"), ("ce_causationid", command_id)]
    return event, [("ce_id", command_id + b":outcome")]


def all_headers(command_id: bytes) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Return the headers of an event and those of its outcome as verbwire writes them."""
    event = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"bench.desk.OrderAccepted"),
        ("ce_source", b"bench.desk.aggregate"),
        ("ce_dataschema", b"urn:avro:bench.desk.OrderAccepted:0123456789abcdef"),
        ("ce_id", command_id + b":0"),
        ("ce_correlationid", command_id),
        ("ce_causationid", command_id),
        ("ce_actor", b"benchmark"),
    ]
    outcome = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"verbwire.Outcome"),
        ("ce_source", b"bench.desk.aggregate"),
        ("ce_dataschema", b"urn:avro:verbwire.Outcome:0123456789abcdef"),
        ("ce_id", command_id + b":outcome"),
        ("ce_causationid", command_id),
    ]
    return event, outcome


HeadersOf = Callable[[bytes], tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]]


class Decider:
    """The hand-written exactly-once loop: its state in a dict, its transaction a batch."""

    def __init__(self, place: Place, group: str, topics: dict[str, str], headers_of: HeadersOf, **more: Any) -> None:
        self._topics = topics
        self._headers_of = headers_of
        self._commands = orders.Codec("desk/PlaceOrder")
        self._events = orders.Codec("desk/OrderAccepted")
        self._state: dict[bytes, bytes] = {}
        self._reader = consumer(place, group, **{"isolation.level": "read_committed"})
        self._reader.subscribe([topics["commands"]])
        settings = {"linger.ms": 2, "retry.backoff.ms": 1, "retry.backoff.max.ms": 5, **more}
        self._producer = producer(place, **settings, **{"transactional.id": place.topic(group)})
        self._producer.init_transactions()

    def receive(self, size: int, seconds: float) -> list[Message]:
        """Return the next commands."""
        first = self._reader.poll(seconds)
        found = [] if first is None else [first, *self._reader.consume(size, 0)]
        return [message for message in found if message.error() is None]

    def decide(self, found: list[Message]) -> None:
        """One transaction."""
        self._producer.begin_transaction()
        offsets = {}
        for message in found:
            self._decide(message)
            offsets[message.partition()] = message.offset() + 1
        self._producer.send_offsets_to_transaction(
            [TopicPartition(self._topics["commands"], each, offset) for each, offset in offsets.items()],
            self._reader.consumer_group_metadata(),
        )
        self._producer.commit_transaction()

    def close(self) -> None:
        """Leave the group."""
        self._reader.close()

    def _decide(self, message: Message) -> None:
        command = self._commands.decode(message.value())
        command_id = dict(message.headers())["ce_id"]
        key, where, write = message.key(), message.partition(), self._producer.produce
        event_headers, outcome_headers = self._headers_of(command_id)
        if key in self._state:
            return
        event = self._events.encode(command)
        self._state[key] = event
        write(self._topics["events"], event, key, where, headers=event_headers)
        write(self._topics["outcomes"], b"x" * 110, key, where, headers=outcome_headers)
        write(self._topics["state"], event, key, where)


def _transactions(name: str, place: Place, headers_of: HeadersOf) -> None:
    group = headers_of.__name__.replace("_", "-")
    topics = {each: place.topic(f"bare-{each}") for each in ("events", "outcomes", "state")}
    decider = Decider(place, group, {**topics, "commands": place.topic("bench.desk.commands")}, headers_of)
    done, watch = 0, None
    while done < place.commands:
        found = decider.receive(TRANSACTION, IDLE_SECONDS)
        watch = watch or Stopwatch()
        decider.decide(found)
        done += len(found)
    assert watch
    watch.figure(name, done).tell()
    decider.close()


def _produce(name: str, place: Place, topic: str, what: What, headers_of: str | None) -> None:
    codec, writer, topic = orders.Codec(what.schema), producer(place), place.topic(topic)
    writer.list_topics(topic)
    number = what.number(place)
    watch = Stopwatch()
    for i, values in enumerate(what.values(number)):
        headers = orders.headers(headers_of, f"bare-{i}") if headers_of else None
        writer.produce(topic, codec.encode(values), values["order_id"].encode(), headers=headers)
        if i % BATCH == 0:
            writer.poll(0)
    writer.flush()
    watch.figure(name, number).tell()


def _consume(name: str, place: Place, topic: str, with_headers: bool) -> None:
    codec, reader = orders.Codec("orders/OrderPlaced"), consumer(place, "bare")
    reader.assign([TopicPartition(topic, each, 0) for each in range(place.partitions)])
    rows: dict[str, Any] = {}
    done, watch = 0, Stopwatch()
    for found in batches(reader, BATCH):
        for message in found:
            if with_headers:
                dict(message.headers())
            values = codec.decode(message.value())
            rows[values["order_id"]] = values
        done += len(found)
        if done >= place.events:
            break
    watch.figure(name, done).tell()
    reader.close()


LOOPS = (
    warm_up,
    produce,
    produce_with_headers,
    produce_commands,
    consume,
    consume_past_headers,
    consume_with_headers,
    restore,
    transactions,
    transactions_with_headers,
)

if __name__ == "__main__":
    {loop.__name__: loop for loop in LOOPS}[sys.argv[1]](Place.of(sys.argv[2]))
