"""Descriptions of messages, groups and topics, from contracts and declarations alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.cli import library, verbwire
from verbwire.deploy.group_plan import context_topics, group_plans, group_topics
from verbwire.deploy.ownership import ownership
from verbwire.errors import ConfigurationError
from verbwire.inspection.describe import (
    GroupDescription,
    MessageDescription,
    describe,
    written_type,
)
from verbwire.inspection.topics import TopicDescription, topics
from verbwire.project import Project, load_project
from verbwire.settings import load_settings

SHOP = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def shop() -> Project:
    return load_project(load_settings(SHOP))


def test_described_command_tells_sender_receiver_rejections_and_bounds(shop: Project) -> None:
    (found,) = describe(shop, "CreditBalance")
    assert isinstance(found, MessageDescription)
    assert (found.kind, found.topic, found.received_by) == (
        "command",
        "shop.accounts.commands",
        "shop.accounts.aggregate",
    )
    assert (found.sent_by, found.outcomes_to) == (("shop.checkout",), ("shop.checkout",))
    assert "credit_exceeds_debits" in found.rejections
    key = next(each for each in found.fields if each.key)
    assert (key.name, key.bounds["minLength"]) == ("account_id", 1)
    assert any(each.bounds.get("maximum") for each in found.fields)


def test_described_event_and_row_tell_who_publishes_hears_and_keeps(shop: Project) -> None:
    (event,) = describe(shop, "shop.fraud.SuspicionRaised")
    assert isinstance(event, MessageDescription)
    assert (event.sent_by, event.heard_by) == (("shop.fraud",), ("shop.suspicions",))
    (row,) = describe(shop, "OrderRow")
    assert isinstance(row, MessageDescription)
    assert (row.kept_by, row.topic) == (("shop.orders",), None)


def test_described_group_tells_inputs_outputs_and_handlers(shop: Project) -> None:
    (found,) = describe(shop, "shop.checkout")
    assert isinstance(found, GroupDescription)
    assert (found.kind, found.folder, found.keeps) == ("process", "consumers", "shop.checkout.CheckoutState")
    assert "shop.accounts.outcomes" in found.inputs
    assert found.outputs == ("shop.accounts.commands", "shop.orders.commands")
    assert "shop.checkout-state-repartition" in found.own_topics
    told = {(each.does, each.message, each.function) for each in found.handlers}
    assert ("outcome_of", "shop.accounts.DebitBalance", "consumers.checkout.debit_answered") in told


def test_described_topics_are_all_that_deploy_would_create(shop: Project) -> None:
    names, plans = shop.settings.names, group_plans(shop.declared.values(), shop.catalog)
    planned = {each.name for each in context_topics(names, shop.catalog, ownership(shop).owned, 12)}
    planned |= {each.name for plan in plans for each in group_topics(names, plan, 12)}
    found = {each.name: each for each in topics(shop)}
    assert planned == set(found)
    outcomes = found["shop.accounts.outcomes"]
    assert isinstance(outcomes, TopicDescription)
    assert (outcomes.written_by, set(outcomes.read_by)) == (
        ("shop.accounts.aggregate",),
        {"shop.accounts.aggregate", "shop.checkout"},
    )
    assert (outcomes.planned or {})["cleanup.policy"] == "delete"


def test_describe_of_an_unknown_or_ambiguous_name_says_what_there_is(shop: Project) -> None:
    with pytest.raises(ConfigurationError, match="verbwire topology"):
        describe(shop, "NoSuch")
    with pytest.raises(ConfigurationError, match=r"may mean shop\.accounts\.aggregate, shop\.carts\.aggregate"):
        describe(shop, "aggregate")


@pytest.mark.parametrize(
    ("avro", "written"),
    [
        ("string", "string"),
        (["null", "long"], "long?"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}, "decimal(12, 2)"),
        ({"type": "array", "items": ["null", "int"]}, "array of int?"),
        ({"type": "map", "values": {"type": "long", "logicalType": "timestamp-millis"}}, "map of timestamp-millis"),
        ({"type": "enum", "name": "a.E", "symbols": ["X", "Y"]}, "a.E (X | Y)"),
        ({"type": {"type": "array", "items": "a.R"}}, "array of a.R"),
        (["null", "string", "long"], "string | long?"),
    ],
)
def test_described_types_are_written_as_people_write_them(avro: object, written: str) -> None:
    assert written_type(avro) == written


def test_describe_command_works_without_a_cluster_and_says_what_it_could_not_ask(tmp_path: Path) -> None:
    library(tmp_path)
    assert verbwire(tmp_path, "schemas", "generate").returncode == 0
    told = verbwire(tmp_path, "describe", "BorrowBook")
    assert told.returncode == 0, told.stderr
    assert "  received by: library.loans.aggregate\n" in told.stdout
    assert "? versions of library.loans.BorrowBook: no embedded Kafka runs for this project" in told.stdout
    offline = json.loads(verbwire(tmp_path, "describe", "library.lent", "--offline", "--json").stdout)
    assert offline["unknown"] == {}
    assert offline["described"][0]["keeps"] == "library.loans.LentRow"
    assert offline["described"][0]["deployed"] is None
