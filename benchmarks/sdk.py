"""verbwire's client: publishing and sending. ``python -m benchmarks.sdk NAME PLACE``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from benchmarks import orders
from benchmarks.figures import Stopwatch
from benchmarks.place import SHOP, Place
from benchmarks.shop.schemas.desk import PlaceOrder
from benchmarks.shop.schemas.orders import Item, OrderPlaced
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.client.producing.ack import Ack
from verbwire.contracts.schema.load import load_catalog
from verbwire.names import Names
from verbwire.principal import Principal

M = TypeVar("M")


def connection(place: Place, **kafka: object) -> Connection:
    """Return how a client of this run connects."""
    return Connection(
        bootstrap=place.bootstrap,
        registry=place.registry,
        names=Names("bench", place.prefix),
        catalog=load_catalog(SHOP / "schemas"),
        principal=Principal("benchmark", ("orders:write",)),
        kafka=kafka,
    )


def publish(place: Place) -> None:
    """Events, built as a user builds them."""
    with Client(connection(place)) as client:
        _time("verbwire Client.publish", place.events, _events(place.events), client.publish, client)


def publish_scattered(place: Place) -> None:
    """Events under ever new keys, in no order."""
    with Client(connection(place)) as client:
        events = _events(place.events, orders.scattered)
        _time("verbwire Client.publish, keys in no order", place.events, events, client.publish, client)


def publish_repeating(place: Place) -> None:
    """Events under keys that repeat."""
    with Client(connection(place)) as client:
        events = _events(place.events, orders.repeating)
        _time("verbwire Client.publish, keys that repeat", place.events, events, client.publish, client)


def send(place: Place) -> None:
    """Commands, built as a user builds them."""
    with Client(connection(place)) as client:
        _time("verbwire Client.send", place.commands, _commands(place.commands), client.send, client)


def _events(number: int, numbered: Callable[[int], int] = orders.counted) -> Iterator[OrderPlaced]:
    """The same as `orders.events`, as messages."""
    for i in range(number):
        n = numbered(i)
        yield OrderPlaced(
            order_id=f"o{n}",
            customer_id=f"c{n % orders.CUSTOMERS}",
            total_pence=i,
            items=(Item(sku="a", quantity=1), Item(sku="b", quantity=2)),
        )


def _commands(number: int) -> Iterator[PlaceOrder]:
    """The same as `orders.commands`, as messages."""
    for i in range(number):
        yield PlaceOrder(order_id=f"o{i}", customer_id=f"c{i % orders.CUSTOMERS}", total_pence=i)


def _time(name: str, number: int, messages: Iterator[M], verb: Callable[[M], Ack], client: Client) -> None:
    verb(next(messages)).result(30)  # asks the registry, once per class
    watch = Stopwatch()
    for message in messages:
        verb(message)
    client.flush()
    watch.figure(name, number - 1).tell()


if __name__ == "__main__":
    cases = (publish, publish_scattered, publish_repeating, send)
    {each.__name__: each for each in cases}[sys.argv[1]](Place.of(sys.argv[2]))
