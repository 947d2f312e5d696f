"""The examples that ``--help`` ends with, a test away from what the commands take."""

from __future__ import annotations

from collections.abc import Mapping

import typer

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "acls": ("verbwire acls", "verbwire acls --json", "verbwire acls --write"),
    "ask": (
        "verbwire ask PlaceOrder order_id=7 country=EIRE total_pence=1250 placed_at=2010-12-01T08:26:00Z \\",
        "    --as till --scope orders:write --id till-7/0042",
        "verbwire ask PlaceOrder @order.json --as till --scope orders:write --json",
    ),
    "check": ("verbwire check", "verbwire check --against main", "verbwire check --deployed"),
    "config": ("verbwire config", "verbwire config --json"),
    "dead-letters discard": ("verbwire dead-letters discard shop.receipts 3/17 --why 'sent by hand'",),
    "dead-letters export": ("verbwire dead-letters export shop.receipts --since -1d > letters.jsonl",),
    "dead-letters list": (
        "verbwire dead-letters list",
        "verbwire dead-letters list shop.receipts --type OrderConfirmed --since -2h",
    ),
    "dead-letters retry": (
        "verbwire dead-letters retry shop.receipts 3/17",
        "verbwire dead-letters retry shop.receipts --all --reason failed --dry-run",
        "verbwire dead-letters retry shop.receipts --all --reason failed --as-of 0/12,1/7 --rate 20",
    ),
    "dead-letters show": ("verbwire dead-letters show shop.receipts 3/17",),
    "deploy": ("verbwire deploy --dry-run", "verbwire deploy", "verbwire deploy --prune"),
    "grant-key": ("verbwire grant-key shop.carts --actor till",),
    "describe": (
        "verbwire describe PlaceOrder",
        "verbwire describe shop.checkout",
        "verbwire describe shop.orders.events",
    ),
    "dev": ("verbwire dev",),
    "doctor": ("verbwire doctor", "verbwire doctor --json"),
    "health": ("verbwire health",),
    "lag": ("verbwire lag", "verbwire lag shop.orders --watch"),
    "log": ("verbwire log shop.orders 536365", "verbwire log shop.carts 536365 --since -2h --limit 20"),
    "processes list": ("verbwire processes list", "verbwire processes list shop.checkout --limit 10"),
    "processes cancel": ('verbwire processes cancel shop.checkout 536365 --why "ordered twice"',),
    "processes retry": ("verbwire processes retry shop.checkout 536365",),
    "processes show": ("verbwire processes show shop.checkout 536365",),
    "scheduled list": ("verbwire scheduled list", "verbwire scheduled list shop.orders --limit 5 --json"),
    "scheduled show": ("verbwire scheduled show reminder-536365",),
    "scheduled cancel": ("verbwire scheduled cancel reminder-536365",),
    "schedules": ("verbwire schedules", "verbwire schedules --json"),
    "publish": ("verbwire publish SuspicionRaised @suspicion.json", "verbwire publish OrderPlaced - < order.json"),
    "parked list": ("verbwire parked list", "verbwire parked list shop.customers --text KeyError --since -2h"),
    "parked retry": (
        "verbwire parked retry shop.customers 17850",
        "verbwire parked retry shop.customers --all --text KeyError --why 'mended in 1.4.2'",
    ),
    "parked show": ("verbwire parked show shop.customers 17850",),
    "parked skip": (
        "verbwire parked skip shop.customers 17850 --why 'an order of a test'",
        "verbwire parked skip shop.customers --at shop.orders.events/3/1204 --why 'an order of a test'",
    ),
    "query": (
        "verbwire query GetOrder order_id=536365 --as boss --scope orders:all",
        "verbwire query FindOrders search=eire page_size=50 --all --as boss --scope orders:all --json",
    ),
    "rebuild": (
        "verbwire rebuild",
        "verbwire rebuild shop.orders --rate 20000",
        "verbwire rebuild shop.orders.aggregate",
        "verbwire rebuild shop.orders --switch",
        "verbwire rebuild shop.orders --rollback",
        "verbwire rebuild shop.orders --forget",
    ),
    "schemas generate": ("verbwire schemas generate",),
    "schemas list": ("verbwire schemas list",),
    "send": (
        "verbwire send ConfirmOrder order_id=7 --as clerk --scope orders:write",
        "verbwire send PlaceOrder - --id till-7/0042 --as till --scope orders:write < order.json",
    ),
    "stack": ("verbwire stack",),
    "status": ("verbwire status", "verbwire status --json"),
    "tables": ("verbwire tables", "verbwire tables shop.orders --key 536365", "verbwire tables shop.orders --json"),
    "tail": (
        "verbwire tail shop.orders --follow",
        "verbwire tail CheckOutCart --from -15m --where country=EIRE",
        "verbwire tail shop.carts.outcomes --where status=REJECTED --json",
        "verbwire tail shop.orders --key 536365 --from beginning",
    ),
    "token": ("verbwire token --scope verbwire:operator", "verbwire token --scope verbwire:metrics --days 365"),
    "topology": ("verbwire topology", "verbwire topology --svg topology.svg"),
    "trace": (
        "verbwire trace till-7/0042",
        "verbwire trace till-7/0042 --since -7d --contents",
        "verbwire trace 2010-12-01/checkout/536365 --since 2026-11-28T15:00:00Z --until 2026-11-28T16:00:00Z --json",
    ),
    "why": (
        "verbwire why shop.orders 536365",
        "verbwire why sales_per_minute EIRE,2010-12-01T14:05:00Z",
        "verbwire why shop.checkout 536365 --json",
    ),
    "worker": ("verbwire worker --name w1", "verbwire worker streams --name reads-1", "verbwire worker shop.orders"),
    "workers": ("verbwire workers", "verbwire workers --json"),
    "workers-key": ("verbwire workers-key",),
}
"""By the words of a command behind ``verbwire``."""


def add_examples(app: typer.Typer, path: str = "") -> None:
    """Give each command of an application its examples as the end of its help, unless that has an end already."""
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__.replace("_", "-") if command.callback else "")
        examples = EXAMPLES.get(f"{path}{name}")
        if examples and command.epilog is None:
            command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_examples(group.typer_instance, f"{path}{group.name} ")
