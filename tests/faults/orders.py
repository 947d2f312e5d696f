"""Orders under faults: a process leads each from its placing to its sale, and re-keyed tables count the sales.

What is wrong is told by the logs alone, read a second way: one event and one command of each kind an order, every row
of the table of customers the fold of just those records that its batch says it used, and nothing left under way.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from schemas.orders import PlaceOrder
from tests.faults.findings import Findings
from tests.faults.harness import PARTITIONS, Shop
from tests.faults.topics import Entry
from tests.kit.cluster import eventually
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.deploy.group_plan import GroupPlan
from verbwire.messages import Kind
from verbwire.principal import Principal
from verbwire.wire.partitioner import partition_of

CUSTOMERS, MINUTES = "shop.sales_per_customer", "shop.sales_per_minute"
GROUPS = (
    GroupPlan("shop.orders.aggregate", Kind.COMMAND, ("shop.orders",), ("state",)),
    GroupPlan("shop.accounts.aggregate", Kind.COMMAND, ("shop.accounts",), ("state",)),
    GroupPlan(
        "shop.checkout",
        Kind.EVENT,
        ("shop.carts", "shop.orders"),
        ("state",),
        outcomes=("shop.accounts", "shop.orders"),
        rekeys=True,
        heeds=True,
        parks=True,
    ),
    GroupPlan(CUSTOMERS, Kind.EVENT, ("shop.orders",), ("sales_per_customer",), rekeys=True, heeds=True, parks=True),
    GroupPlan(MINUTES, Kind.EVENT, ("shop.orders",), ("sales_per_minute",), rekeys=True, heeds=True, parks=True),
)
NAMES = tuple(plan.group for plan in GROUPS)
START = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
COUNTRIES = ("United Kingdom", "France", "EIRE", "Norway", "Iceland")


class Orders:
    """Orders placed at a shop; `wanted` is what all of them together come to."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.wanted: list[PlaceOrder] = []
        self._client = Client(
            Connection(
                bootstrap=shop.cluster.bootstrap,
                registry=shop.cluster.registry_url,
                names=shop.names,
                catalog=shop.catalog,
                principal=Principal("till", ("orders:write",)),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def place(self, count: int) -> None:
        """Place so many more, of many customers and guests."""
        for number in range(len(self.wanted), len(self.wanted) + count):
            order = PlaceOrder(
                order_id=f"{500_000 + number}",
                customer_id=None if number % 7 == 0 else f"{12_000 + number % 23}",
                country=COUNTRIES[number % len(COUNTRIES)],
                total_pence=100 + number,
                placed_at=START + timedelta(seconds=number),
            )
            self.wanted.append(order)
            self._client.send(order, id=f"order-{number}")
        self._client.flush()
        self.shop.note("placed", all=len(self.wanted))

    def settled(self, seconds: float = 90.0) -> None:
        """Wait until every order is a sale that both tables have counted."""

        def counted() -> bool:
            self.shop.none_has_given_up()
            return all(
                sum(each["orders"] for each in self._last(group, table).values()) >= wanted
                for group, table, wanted in (
                    (CUSTOMERS, "sales_per_customer", sum(order.customer_id is not None for order in self.wanted)),
                    (MINUTES, "sales_per_minute", len(self.wanted)),
                )
            )

        eventually(counted, seconds, every=0.3)

    def check(self) -> Findings:
        """Say what is wrong; the workers have stopped."""
        found = Findings()
        self._once_each(found)
        self._sums(found)
        self._batches(found)
        for each in NAMES:
            letters = self._read(f"{each}.dead-letters")
            found.require(not letters, "dead-letter", f"{len(letters)} of {each}")
        left = self._last("shop.checkout", "state")
        found.require(not left, "left-under-way", f"{len(left)} process instances, {next(iter(left.items()), None)}")
        return found

    # -- what has to hold

    def _once_each(self, found: Findings) -> None:
        ids = [order.order_id for order in self.wanted]
        theirs = [order.order_id for order in self.wanted if order.customer_id is not None]
        events, commands = self._read("shop.orders.events"), self._read("shop.orders.commands")
        debits = self._read("shop.accounts.commands")
        for what, entries, wanted in (
            ("OrderPlaced", events, ids),
            ("OrderConfirmed", events, ids),
            ("OrderCancelled", events, []),
            ("ConfirmOrder", commands, ids),
            ("DebitBalance", debits, theirs),
            ("BalanceDebited", self._read("shop.accounts.events"), theirs),
        ):
            counts = Counter(entry.fields["order_id"] for entry in entries if entry.name.endswith(f".{what}"))
            if counts != Counter(wanted):
                off = [name for name in {*counts, *wanted} if counts[name] != wanted.count(name)]
                found.add("not-once-each", f"{what}: {len(off)} orders, {off[0]} has {counts[off[0]]}")

    def _sums(self, found: Findings) -> None:
        customers: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        minutes: dict[tuple[str, datetime], list[int]] = defaultdict(lambda: [0, 0])
        for order in self.wanted:
            minute = (order.country, order.placed_at.replace(second=0))
            for sums in [minutes[minute], *([customers[order.customer_id]] if order.customer_id else [])]:
                sums[0] += 1
                sums[1] += order.total_pence
        rows = self._last(CUSTOMERS, "sales_per_customer").values()
        is_customers = {row["customer_id"]: [row["orders"], row["total_pence"]] for row in rows}
        found.require(is_customers == customers, "sums", f"of customers: {is_customers} instead of {dict(customers)}")
        windows = self._last(MINUTES, "sales_per_minute").values()
        is_minutes = {(row["country"], row["minute"]): [row["orders"], row["total_pence"]] for row in windows}
        found.require(is_minutes == minutes, "sums", f"of minutes: {is_minutes} instead of {dict(minutes)}")

    def _batches(self, found: Findings) -> None:
        """At each point that was ever committed the rows are the fold of the inputs below the offsets it names."""
        source, own = self._name("shop.orders.events"), self._name(f"{CUSTOMERS}-sales_per_customer-repartition")
        sales = {source: _sales(self._read("shop.orders.events")), own: _sales(self._read(own, named=True))}
        state: dict[int, dict[bytes, int]] = defaultdict(dict)
        batches = 0
        for entry in self._read(f"{CUSTOMERS}-sales_per_customer-changelog"):
            rows = state[entry.partition]
            if entry.value:
                rows[entry.key] = entry.fields["total_pence"]
            if said := entry.headers.get("vw_inputs", b"").decode():
                batches += 1
                until = {topic: int(n) for topic, _, n in (each.rpartition(":") for each in said.split(","))}
                folded = _folded(entry.partition, sales, until)
                right = folded == rows
                found.require(right, "batch", f"{entry.place} after {said}: {rows} instead of {folded}")
        found.require(batches > PARTITIONS, "batch", f"only {batches} batches say how far they are")

    # -- what is there

    def _name(self, rest: str) -> str:
        return f"{self.shop.prefix}.{rest}"

    def _read(self, topic: str, named: bool = False) -> list[Entry]:
        return self.shop.topics.read(topic if named else self._name(topic))

    def _last(self, group: str, table: str) -> dict[bytes, dict[str, Any]]:
        rows = {entry.key: entry for entry in self._read(f"{group}-{table}-changelog")}
        return {key: entry.fields for key, entry in rows.items() if entry.value}


@dataclass(frozen=True, slots=True)
class _Sale:
    place: tuple[str, int, int]
    customer: bytes
    pence: int


def _sales(entries: Iterable[Entry]) -> list[_Sale]:
    return [
        _Sale(entry.place, entry.fields["customer_id"].encode(), entry.fields["total_pence"])
        for entry in entries
        if entry.name.endswith(".OrderConfirmed") and entry.fields["customer_id"]
    ]


def _folded(partition: int, sales: dict[str, list[_Sale]], until: dict[str, int]) -> dict[bytes, int]:
    sums: dict[bytes, int] = defaultdict(int)
    for topic, each in sales.items():
        for sale in each:
            _, at, offset = sale.place
            if at == partition and offset < until[topic] and partition_of(sale.customer, PARTITIONS) == partition:
                sums[sale.customer] += sale.pence
    return dict(sums)


def crash_one_of_two(shop: Shop, orders: Orders, points: Sequence[str], each: int) -> None:
    """Let one of two workers die at each of these points, at its second transaction, while orders come in."""
    shop.start("steady", *NAMES, leave=True)
    for point in (*points, ""):
        crash = {"VERBWIRE_CRASH_POINT": f"{point}:2"} if point else {}
        shop.start("dying", *NAMES, leave=not point, environment=crash)
        over = time.monotonic() + 60
        while point and shop.workers["dying"].ended() is None:
            orders.place(each)
            assert time.monotonic() < over, f"{point} was not reached"
            time.sleep(0.2)
        if point:
            shop.wait_for_death("dying")
    orders.place(each)
