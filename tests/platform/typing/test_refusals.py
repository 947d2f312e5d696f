"""What type checkers must refuse: each line that ends in `# refused: ...` is an error of mypy with those words.

The other lines must be none, so that what is refused is refused for its own sake.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAD = """
from schemas.accounts import AccountRow
from schemas.carts import CartCheckedOut, CartState
from schemas.checkout import CheckoutState
from schemas.orders import (
    ConfirmOrder, FindOrders, OrderConfirmed, OrderPlaced, OrderReceipt, OrderRow, OrderState, PlaceOrder,
)
from verbwire import Accepted, Aggregate, Command, Job, Outcome, Page, Process, Query, Subscriber, Table
from verbwire.client import Client

orders = Aggregate("shop.orders", state=OrderState)
table = Table("shop.orders", row=OrderRow)
checkout = Process("shop.checkout", state=CheckoutState, sends=[PlaceOrder])
subscriber, job = Subscriber("shop.receipts"), Job("shop.reports")
"""
VERBS = """
def verbs(client: Client, command: PlaceOrder, event: OrderPlaced, query: FindOrders) -> None:
    client.send(command)
    client.publish(event)
    client.publish(command)  # refused: incompatible type "PlaceOrder"; expected "Event"
    client.send(event)  # refused: incompatible type "OrderPlaced"; expected "Command
    client.ask(query)  # refused: incompatible type "FindOrders"; expected "Command
    client.query(command)  # refused: incompatible type "PlaceOrder"; expected "Query
"""
REPLIES = """
def replies(client: Client, command: PlaceOrder, confirm: ConfirmOrder, query: FindOrders) -> None:
    receipt: Outcome[OrderReceipt] = client.ask(command).result()
    row: Outcome[OrderRow] = client.ask(command).result()  # refused: expression has type "Accepted[OrderReceipt] |
    page: Page[OrderRow] = client.query(query).result()
    one: OrderRow = client.query(query).result()  # refused: expression has type "Page[OrderRow]", variable has type
    for found in client.query(query).result().rows:
        print(found.order_id)
        print(found.colour)  # refused: "OrderRow" has no attribute "colour"
    match client.ask(command).result():
        case Accepted(reply=made):
            print(made.order_id)
            print(made.status)  # refused: "OrderReceipt" has no attribute "status"
    match client.ask(confirm).result():
        case Accepted(reply=nothing):
            print(nothing.order_id)  # refused: "None" has no attribute "order_id"
    client.query(query, after=client.query(query).result())
    client.query(query, after=receipt)  # refused: Argument "after" to "query" of "Client" has incompatible type
"""
HANDLERS = """
@orders.handles
def right(command: PlaceOrder, state: OrderState | None) -> OrderPlaced: ...
@orders.handles  # refused: expected "Callable[[PlaceOrder, OrderState | None], OrderPlaced]"
def other_state(command: PlaceOrder, state: CartState | None) -> OrderPlaced: ...
@orders.handles  # refused: "C" of "handles" of "Aggregate" cannot be "OrderPlaced"
def of_an_event(command: OrderPlaced, state: OrderState | None) -> OrderPlaced: ...
@orders.handles  # refused: "D" of "handles" of "Aggregate" cannot be "ConfirmOrder"
def returns_a_command(command: PlaceOrder, state: OrderState | None) -> ConfirmOrder: ...
@orders.applies  # refused: expected "Callable[[OrderState | None, OrderPlaced], OrderState]"
def other_result(state: OrderState | None, event: OrderPlaced) -> CartState: ...
@table.on  # refused: expected "Callable[[OrderRow | None, OrderPlaced], AccountRow]"
def other_row(row: AccountRow | None, event: OrderPlaced) -> AccountRow: ...
@table.on  # refused: "E" of "on" of "Table" cannot be "PlaceOrder"
def of_a_command(row: OrderRow | None, command: PlaceOrder) -> OrderRow: ...
@checkout.on("cart_id")  # refused: Too many positional arguments for "on"
def positional(state: CheckoutState | None, event: CartCheckedOut) -> CheckoutState: ...
@checkout.on(key="cart_id")  # refused: expected "Callable[[CheckoutState | None, CartCheckedOut], CheckoutState]"
def of_other_state(state: CartState | None, event: CartCheckedOut) -> CheckoutState: ...
@checkout.outcome_of(PlaceOrder)  # refused: expected "Callable[[CheckoutState | None, Accepted[OrderReceipt] |
def other_reply(state: CheckoutState | None, outcome: Outcome[OrderRow]) -> CheckoutState | None: ...
@subscriber.on  # refused: "E" of "on" of "Subscriber" cannot be "PlaceOrder"
def hears_a_command(command: PlaceOrder) -> None: ...
@job.handles  # refused: "C" of "handles" of "Job" cannot be "OrderConfirmed"
def does_an_event(event: OrderConfirmed) -> None: ...
Process("shop.checkout", state=CheckoutState, sends=[OrderPlaced])  # refused: List item 0 has incompatible type
Table("shop.orders", row=OrderState)  # refused: Value of type variable "R" of "Table" cannot be "OrderState"
Aggregate("shop.orders", state=OrderRow)  # refused: Value of type variable "S" of "Aggregate" cannot be "OrderRow"
Table("shop.orders", row=OrderRow, answers=[PlaceOrder])  # refused: List item 0 has incompatible type
"""


def test_what_does_not_fit_is_refused_where_it_is_written(tmp_path: Path) -> None:
    source = HEAD + VERBS + REPLIES + HANDLERS
    (tmp_path / "refused.py").write_text(source)
    options = ["--strict", "--follow-imports=silent", "--disable-error-code=empty-body", "--no-pretty"]
    cache = ["--cache-dir", str(ROOT / ".mypy_cache" / "refusals")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *cache, str(tmp_path / "refused.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(re.findall(r"refused\.py:(\d+): error: (.*)", done.stdout))
    wanted = {
        str(number): line.partition("# refused: ")[2]
        for number, line in enumerate(source.splitlines(), 1)
        if "# refused: " in line
    }
    assert found.keys() == wanted.keys(), done.stdout + done.stderr
    assert {number: text for number, text in wanted.items() if text not in found[number]} == {}, done.stdout
