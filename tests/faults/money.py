"""Is every penny where it belongs? Reads the logs of the whole shop, nothing of verbwire, and says what is wrong.

By itself: ``python -m tests.faults.money BOOTSTRAP REGISTRY PREFIX`` ends with 1 when something is. "At every prefix"
is meant literally: a log is gone through record by record, and what was true so far is checked at each of them.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from functools import cached_property
from typing import Any

from tests.faults.findings import Findings
from tests.faults.topics import Entry, Topics

NAMESPACES = ("shop.carts", "shop.orders", "shop.accounts")


class Money:
    """Checks carts, orders, accounts and the tables of sales of one prefix on one cluster."""

    def __init__(self, bootstrap: str, registry_url: str, prefix: str) -> None:
        self.topics = Topics(bootstrap, registry_url)
        self.found = Findings()
        self._prefix = f"{prefix}." if prefix else ""

    def everything(self) -> Findings:
        """Check all of it."""
        self.outcomes()
        self.orders()
        self.debits()
        self.credits()
        self.sales()
        return self.found

    # -- what is there

    def read(self, topic: str) -> list[Entry]:
        """All committed records of a topic of this prefix."""
        return self.topics.read(self._prefix + topic)

    @cached_property
    def events(self) -> dict[str, list[Entry]]:
        """All events, by their short name, partition by partition in the order of the log."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for namespace in NAMESPACES:
            for each in self.read(f"{namespace}.events"):
                found[_short(each.name)].append(each)
        return found

    def rows(self, topic: str) -> dict[bytes, dict[str, Any]]:
        """What a changelog says last of each key; deleted ones are left out."""
        last = {each.key: each for each in self.read(topic)}
        return {key: each.fields for key, each in last.items() if each.value is not None}

    # -- what has to hold

    def outcomes(self) -> None:
        """Every command of the three receivers has one outcome, and every outcome a command."""
        for namespace in NAMESPACES:
            commands = {each.id for each in self.read(f"{namespace}.commands")}
            lines = Counter(each.fields["command_id"] for each in self.read(f"{namespace}.outcomes"))
            for name in commands - lines.keys():
                self.found.add("outcome-missing", f"{namespace}: command {name} has no outcome")
            for name, n in lines.items():
                self.found.require(n == 1, "outcome-twice", f"{namespace}: command {name} has {n} outcomes")
                self.found.require(name in commands, "outcome-invented", f"{namespace}: nobody sent {name}")

    def orders(self) -> None:
        """Every cart that was checked out is one order of its number and its price, confirmed once."""
        placed, confirmed = self._once("OrderPlaced", "order_id"), self._once("OrderConfirmed", "order_id")
        self._once("OrderCancelled", "order_id")
        for cart in self.events["CartCheckedOut"]:
            number = cart.fields["cart_id"]
            order = placed.get(number)
            if order is None:
                self.found.add("order-missing", f"cart {number} was checked out, there is no order")
                continue
            wanted = (cart.fields["total_pence"], cart.fields["customer_id"], cart.fields["checked_out_at"])
            given = (order.fields["total_pence"], order.fields["customer_id"], order.fields["placed_at"])
            self.found.require(given == wanted, "order-wrong", f"order {number} is {given}, its cart {wanted}")
            self.found.require(number in confirmed, "order-open", f"order {number} was never confirmed")

    def debits(self) -> None:
        """Each confirmed order with a customer was debited once, before it was confirmed; no other order was."""
        debits = self._once("BalanceDebited", "order_id")
        owed = {each.fields["order_id"]: each for each in self.events["OrderConfirmed"] if each.fields["customer_id"]}
        for number, order in owed.items():
            debit = debits.get(number)
            if debit is None:
                self.found.add("debit-missing", f"order {number} was confirmed and never debited")
                continue
            wanted = (order.fields["customer_id"], order.fields["total_pence"])
            given = (debit.fields["account_id"], debit.fields["pence"])
            self.found.require(given == wanted, "debit-wrong", f"order {number}: debited {given}, it is {wanted}")
            early = debit.timestamp <= order.timestamp
            self.found.require(early, "debit-late", f"order {number} was confirmed before it was debited")
        for number in debits.keys() - owed.keys():
            self.found.add("debit-invented", f"{number} was debited, but is no confirmed order of a customer")
        total = sum(each.fields["pence"] for each in debits.values())
        due = sum(each.fields["total_pence"] for each in owed.values())
        self.found.require(total == due, "debit-sum", f"debits are {total} pence, confirmed orders {due}")

    def credits(self) -> None:
        """At no prefix of its log is more given back to an account than was put on it."""
        left: Counter[str] = Counter()
        for each in self.read("shop.accounts.events"):
            account, pence = each.fields["account_id"], each.fields["pence"]
            left[account] += pence if _short(each.name) == "BalanceDebited" else -pence
            self.found.require(
                left[account] >= 0, "credit-beyond", f"account {account} at {each.place}: {left[account]}"
            )

    def sales(self) -> None:
        """The re-keyed and the windowed table are what the confirmed orders add up to."""
        customers: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        minutes: dict[tuple[str, Any], list[int]] = defaultdict(lambda: [0, 0])
        for each in self.events["OrderConfirmed"]:
            order = each.fields
            minute = order["placed_at"].replace(second=0, microsecond=0)
            sums = [minutes[order["country"], minute]]
            sums += [customers[order["customer_id"]]] if order["customer_id"] else []
            for entry in sums:
                entry[0] += 1
                entry[1] += order["total_pence"]
        rows = self.rows("shop.sales_per_customer-sales_per_customer-changelog").values()
        self._same("sales-customer", {r["customer_id"]: [r["orders"], r["total_pence"]] for r in rows}, customers)
        rows = self.rows("shop.sales_per_minute-sales_per_minute-changelog").values()
        self._same(
            "sales-minute", {(r["country"], r["minute"]): [r["orders"], r["total_pence"]] for r in rows}, minutes
        )

    # -- inside

    def _once(self, name: str, by: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for each in self.events[name]:
            value = each.fields[by]
            self.found.require(value not in found, "event-twice", f"{name} of {value} stands at {each.place} again")
            found[value] = each
        return found

    def _same(self, what: str, given: dict[Any, list[int]], wanted: dict[Any, list[int]]) -> None:
        for key in given.keys() | wanted.keys():
            mine, theirs = given.get(key), wanted.get(key)
            self.found.require(mine == theirs, what, f"{key}: the table says {mine}, the log {theirs}")


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def main() -> int:
    """Say what is wrong; 0 when nothing is."""
    found = Money(*sys.argv[1:4]).everything()
    print(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
