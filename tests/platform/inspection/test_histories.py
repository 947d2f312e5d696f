"""What operators ask of records: of one shop, whose accounts are not hosted, so that something stays open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka import Producer

from tests.kit.cli import Said, verbwire
from tests.kit.cluster import Cluster, eventually
from verbwire.embedded import Addresses
from verbwire.testing import RunningProject
from verbwire.tokens import OPERATOR
from verbwire.wire.partitioner import partition_of

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[3]
PARTITIONS = 2
GROUPS = ("shop.carts.aggregate", "shop.orders.aggregate", "shop.checkout", "shop.orders", "shop.sales_per_minute")
TILL = ("--as", "till", "--scope", "carts:write", "--scope", "orders:write")
MINUTE = "EIRE,2010-12-01T08:26:00Z"


class Shop:
    """The shop's command line."""

    def __init__(self, running: RunningProject) -> None:
        self.running = running

    def run(self, *arguments: str, ends: int = 0) -> Said:
        """Run a command, which ends so."""
        said = verbwire(ROOT, *arguments, **self.running.environment)
        assert said.returncode == ends, said
        return said

    def json(self, *arguments: str, ends: int = 0) -> Any:
        """Return what it prints for programs."""
        return json.loads(self.run(*arguments, "--json", ends=ends).stdout)

    def lines(self, *arguments: str) -> list[Any]:
        """Return what it prints for programs, an object a line."""
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def check_out(self, cart: str, customer: str | None) -> None:
        """Fill a cart and check it out, under ids made of its name."""
        who = {"customer_id": customer} if customer else {}
        bird = {"stock_code": "84879", "description": "BIRD", "quantity": 2, "unit_price_pence": 169}
        self.run("ask", "AddProductToCart", json.dumps({"cart_id": cart, "country": "EIRE", **bird, **who}), *TILL)
        fields = (f"cart_id={cart}", "country=EIRE", "checked_out_at=2010-12-01T08:26:00Z")
        self.run(
            "ask", "CheckOutCart", *fields, *([f"customer_id={customer}"] if customer else []), "--id", cart, *TILL
        )


@pytest.fixture(scope="module")
def shop(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A guest's order that is confirmed, a customer's that waits for the accounts, an empty cart, a foreign record."""
    addresses = Addresses(bootstrap=cluster.bootstrap, registry_url=cluster.registry_url)
    with ExitStack() as stack:
        running = RunningProject(ROOT, addresses, tmp_path_factory.mktemp("shop"), GROUPS, partitions=PARTITIONS)
        shop = Shop(stack.enter_context(running))
        shop.check_out("guest", None)
        shop.check_out("anns", "ann")
        eventually(lambda: "CONFIRMED" in shop.run("query", "GetOrder", "order_id=guest", *ALL).stdout, every=0.2)
        eventually(lambda: "PLACED" in shop.run("query", "GetOrder", "order_id=anns", *ALL).stdout, every=0.2)
        eventually(lambda: shop.json("why", "sales_per_minute", MINUTE)["now"], every=0.2)
        producer = Producer({"bootstrap.servers": cluster.bootstrap})
        key = b"guest"
        producer.produce(f"{running.prefix}.shop.carts.events", b"\x1b[31mnot Avro", key, partition_of(key, PARTITIONS))
        assert producer.flush(30) == 0
        yield shop


ALL = ("--as", "boss", "--scope", "orders:all")


def test_ask_ends_with_a_status_of_its_own_for_a_no_and_send_names_the_field(shop: Shop) -> None:
    empty = ("CheckOutCart", "cart_id=empty", "country=EIRE", "checked_out_at=2010-12-01T08:26:00Z")
    refused = shop.json("ask", *empty, *TILL, ends=4)
    assert (refused["outcome"], refused["code"], refused["events"]) == ("rejected", "empty_cart", [])
    assert "--scope carts:write" in shop.run("ask", *empty, "--as", "ann", ends=4).stderr
    wrong = shop.run("send", "CheckOutCart", "cart_id=empty", "country=EIRE", "checked_out_at=noon", ends=2)
    assert "checked_out_at" in wrong.stderr
    assert "2010-12-01T08:26:00Z" in wrong.stderr
    assert "use `verbwire publish OrderPlaced`" in shop.run("send", "OrderPlaced", "order_id=1", ends=2).stderr
    assert "OrderRow" in shop.run("query", "GetOrder", "order_id=nobodys", *ALL, ends=4).stderr


def test_query_follows_the_pages_of_a_list(shop: Shop) -> None:
    first = shop.json("query", "FindOrders", "page_size=1", *ALL)
    assert (len(first["rows"]), first["more"]) == (1, True)
    every = shop.json("query", "FindOrders", "page_size=1", "--all", *ALL)
    assert {row["order_id"] for row in every["rows"]} == {"guest", "anns"}
    assert every["more"] is False


def test_trace_is_the_whole_flow_from_any_of_its_ids_with_its_rows(shop: Shop) -> None:
    found = shop.json("trace", "guest")
    shape = [(hop["depth"], hop["record"]["kind"], _short(hop["record"])) for hop in found["hops"]]
    assert {each for each in shape if each[1] != "outcome"} == {
        (0, "command", "CheckOutCart"),
        (1, "event", "CartCheckedOut"),
        (2, "command", "PlaceOrder"),
        (3, "event", "OrderPlaced"),
        (4, "command", "ConfirmOrder"),
        (5, "event", "OrderConfirmed"),
    }
    assert sum(kind == "outcome" for _, kind, _ in shape) == 3
    assert found["open"] == []
    by_type = {_short(hop["record"]): hop for hop in found["hops"] if hop["record"]["kind"] != "outcome"}
    confirmed = {row["group"]: row for row in by_type["OrderConfirmed"]["rows"]}
    assert confirmed["shop.orders"]["row"]["message"]["status"] == "CONFIRMED"
    assert confirmed["shop.sales_per_minute"]["key"] == MINUTE  # under another key, in a window
    assert confirmed["shop.sales_per_minute"]["state"] == "written"
    assert by_type["PlaceOrder"]["record"]["actor"] == "shop.checkout"
    assert all(hop["after"] is not None for hop in found["hops"] if hop["depth"])
    inner = shop.json("trace", by_type["ConfirmOrder"]["record"]["id"])
    assert inner["correlation_id"] == "guest"
    assert len(inner["hops"]) == len(found["hops"])


def test_trace_tells_what_is_still_open_and_how_far_its_receiver_is(shop: Shop) -> None:
    found = shop.json("trace", "anns")
    (debit,) = [hop for hop in found["hops"] if hop["open"]]
    assert _short(debit["record"]) == "DebitBalance"
    assert debit["open"].startswith("no outcome yet; shop.accounts.aggregate has 0 record(s) to read before it")
    assert found["open"] == [debit["record"]["id"]]
    assert "no outcome yet" in shop.run("trace", "anns").stdout
    assert "nothing of nobodys" in shop.run("trace", "nobodys", ends=1).stdout


def test_log_has_each_record_of_a_key_once_who_and_why(shop: Shop) -> None:
    def records() -> list[Any]:
        found = shop.json("log", "shop.carts", "guest")["records"]
        return found if any(each["kind"] == "dead-letter" for each in found) else []

    kinds = [each["kind"] for each in eventually(records)]
    states = kinds.count("state")  # of two transactions, or of one
    assert states in (1, 2)
    assert sorted(kinds) == sorted(
        [*["command"] * 2, "dead-letter", *["event"] * 3, *["outcome"] * 2, *["state"] * states]
    )
    found = shop.json("log", "shop.carts", "guest")
    letter = next(each for each in found["records"] if each["kind"] == "dead-letter")
    assert letter["note"].startswith("undecodable: ")
    assert {record["key"] for record in found["records"]} == {"guest"}
    assert found["missing"] == []
    assert len({name.rpartition("/")[2] for name in found["read"]}) == 1  # the partition of the key alone
    assert "by till" in shop.run("log", "shop.carts", "guest").stdout
    assert shop.json("log", "shop.carts", "guest", "--limit", "2")["older"] == len(kinds) - 2


def test_log_tells_that_a_command_came_again(shop: Shop) -> None:
    shop.check_out("twice", None)
    shop.run("ask", "CheckOutCart", "cart_id=twice", "country=EIRE", "checked_out_at=2010-12-01T08:26:00Z",
             "--id", "twice", *TILL)  # fmt: skip
    records = shop.json("log", "shop.carts", "twice")["records"]
    again = [each for each in records if each["note"] and "the same command again" in each["note"]]
    assert [each["id"] for each in again] == ["twice"]
    assert sum(each["causation_id"] == "twice" for each in records if each["kind"] == "outcome") == 1


def test_why_finds_the_events_of_a_row_also_under_another_key_and_in_a_window(shop: Shop) -> None:
    order = shop.json("why", "shop.orders", "guest")
    assert [_short(cause) for change in order["changes"] for cause in change["causes"]] == [
        "OrderPlaced",
        "OrderConfirmed",
    ]
    assert [change["row"]["message"]["status"] for change in order["changes"]] in (
        ["PLACED", "CONFIRMED"],
        ["CONFIRMED"],
    )
    assert order["now"]["message"]["status"] == "CONFIRMED"
    minute = shop.json("why", "sales_per_minute", MINUTE)
    causes = [cause for change in minute["changes"] for cause in change["causes"]]
    assert {cause["message"]["order_id"] for cause in causes} >= {"guest"}
    assert all(cause["topic"].endswith("shop.orders.events") for cause in causes)
    process = shop.json("why", "shop.checkout", "guest")
    assert process["now"] is None  # it is over
    causes = [cause for change in process["changes"] for cause in change["causes"]]
    assert _short(causes[0]) == "CartCheckedOut"
    assert "there is no such row, and nothing" in shop.run("why", "shop.orders", "none", ends=1).stdout
    assert "`verbwire log` tells" in shop.run("why", "shop.orders.aggregate", "guest", ends=2).stderr


def test_tail_filters_and_never_hides_what_cannot_be_read(shop: Shop) -> None:
    carts = shop.lines("tail", "ProductAddedToCart", "--from", "beginning", "--where", "cart_id=guest")
    assert [_short(each) for each in carts if not each["unreadable"]] == ["ProductAddedToCart"]
    (foreign,) = [each for each in carts if each["unreadable"]]
    assert bytes.fromhex(foreign["value"]) == b"\x1b[31mnot Avro"
    said = shop.run("tail", "ProductAddedToCart", "--from", "beginning", "--where", "cart_id=guest")
    assert "UNREADABLE" in said.stdout
    assert "\x1b" not in said.stdout
    assert "1 record(s) could not be decoded" in said.stderr
    rejected = shop.lines(
        "tail", "shop.carts.outcomes".join((f"{shop.running.prefix}.", "")), "--where", "code=empty_cart"
    )
    assert all(each["message"]["status"] == "REJECTED" for each in rejected)
    keyed = shop.lines("tail", "shop.orders", "--key", "anns", "--from", "beginning")
    assert {each["key"] for each in keyed} == {"anns"}
    assert shop.lines("tail", "shop.orders", "--from", "end") == []
    assert "no context (shop.accounts" in shop.run("tail", "nothing", ends=2).stderr


def test_the_console_is_told_what_the_command_line_tells(shop: Shop) -> None:
    http = shop.running.http("olga", [OPERATOR])

    def look(path: str, status: int = 200) -> Any:
        answer = http.get(f"/console/api/{path}", timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json()

    shop.run(
        "ask", "CheckOutCart", "cart_id=none", "country=EIRE", "checked_out_at=2010-12-01T08:26:00Z", *TILL, ends=4
    )
    told, printed = look(f"why/sales_per_minute/{quote(MINUTE)}"), shop.json("why", "sales_per_minute", MINUTE)
    assert told == {name: each for name, each in printed.items() if name != "now"}
    assert look("history/shop.orders/guest") == shop.json("log", "shop.orders", "guest")
    told, printed = look("trace/guest"), shop.json("trace", "guest")
    assert [each["record"] for each in told["hops"]] == [each["record"] for each in printed["hops"]]
    assert look("rejections")["counts"]["shop.carts.CheckOutCart"]["empty_cart"] >= 1
    assert look("describe/PlaceOrder")["described"][0]["deployed"]["versions"][0]["number"] == 1
    lag, status = look("lag"), look("status")
    assert {each["group"] for each in lag["groups"]} == {each["group"] for each in status["groups"]}
    assert [each["name"] for each in status["workers"]] == ["tests"]
    assert "shop.accounts.aggregate" in str(status["oddities"]), "nobody hosts it"
    letters = {each["group"]: each for each in look("dead-letters")["groups"]}
    (letter,) = letters["shop.checkout"]["letters"]
    assert (letter["reason"], letters["shop.checkout"]["requeues"]) == ("undecodable", False)
    whole = look(f"dead-letters/shop.checkout/{letter['place'].replace('/', '-')}")
    assert (whole["key"], bytes.fromhex(whole["message"])) == ("guest", b"\x1b[31mnot Avro")
    refused = http.post("/console/api/dead-letters/shop.checkout", json={"places": None})
    assert (refused.status_code, refused.json()["code"]) == (404, "nothing_there")
    assert "counts records in the order of their log" in refused.json()["detail"]
    for path in ("why/nothing/x", "history/shop.nothing/x", "describe/nothing", "dead-letters/shop.checkout/0-99999"):
        assert look(path, 404)["code"] == "nothing_there"


def _short(record: Any) -> str:
    return str(record["type"]).rpartition(".")[2]
