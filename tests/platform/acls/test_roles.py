"""What each role needs on Kafka: the same topics and groups that deploy creates and the engine uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from tests.kit import bank_jars, bank_tills
from tests.kit.bank import CATALOG, RECEIVER, Bank
from verbwire.acls.comparison import compare
from verbwire.acls.model import Acl, AclResource, Operation, Permission, told
from verbwire.acls.principals import RoleAssignment, acls_of, assignments
from verbwire.acls.roles import ProjectResources, permissions_of, roles_of
from verbwire.acls.script import script
from verbwire.client.producing.ack import Ack, Failures
from verbwire.declarations import Declared
from verbwire.deploy.group_plan import context_topics, group_plans, group_topics
from verbwire.engine.builders.groups import aggregate_topology, table_topology
from verbwire.engine.builders.process import command_topics, process_topology
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.topology import Topology
from verbwire.errors import ConfigurationError, DeliveryError
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.names import Names
from verbwire.project import load_project
from verbwire.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]


@cache
def shop() -> ProjectResources:
    project = load_project(load_settings(ROOT))
    plans = group_plans(project.declared.values(), project.catalog)
    return ProjectResources(Names("shop"), project.catalog, plans, project.folders)


def may(role: str, resources: ProjectResources | None = None) -> set[tuple[str, str]]:
    """What a role may do with topics: operation and name."""
    found = permissions_of(role, resources or shop())
    return {(each.operation.value, each.name) for each in found if each.resource is AclResource.TOPIC}


def engine_plan(declared: Any, bank: Bank) -> Topology:
    codec, partitions = bank.codec, bank.partitions
    if declared.group == bank_tills.SAVINGS:
        return process_topology(declared, codec, partitions, dict.fromkeys(command_topics(declared, codec), partitions))
    if declared.group == RECEIVER:
        return aggregate_topology(declared, codec, partitions, ReplyNotifier({}, bank.names.replies()), BrokerClock())
    return table_topology(declared, codec, partitions)


@pytest.mark.kafka
@pytest.mark.parametrize(
    "declared", [bank_jars.receiver(), bank_tills.owners(), bank_tills.savings()], ids=lambda each: each.group
)
def test_a_worker_may_what_its_engine_does_and_nothing_else(branch: Bank, declared: Declared) -> None:
    """Were there two lists, a topic that the engine learns to write would be missing in the ACLs."""
    names = branch.names
    resources = ProjectResources(names, CATALOG, group_plans([declared], CATALOG), {})
    plan = engine_plan(declared, branch)
    allowed = permissions_of(f"worker:{declared.group}", resources)
    topics = {
        operation: {name for each, name in may(f"worker:{declared.group}", resources) if each == operation}
        for operation in ("READ", "WRITE")
    }
    logs = {log.topic for log in plan.logs}
    assert topics["READ"] == {*plan.inputs, *logs, names.workers(), names.rebuilds()}
    assert topics["WRITE"] == {*plan.written, names.workers(), names.replies()}
    assert Permission(AclResource.GROUP, plan.group, Operation.READ) in allowed
    (transactions,) = [each for each in allowed if each.resource is AclResource.TRANSACTIONAL_ID]
    assert transactions.covers(AclResource.TRANSACTIONAL_ID, names.transactional_id(plan.group, "any-worker", 1))


def test_a_worker_may_exchange_what_a_rebuild_of_its_aggregate_has_made() -> None:
    names, group = Names("bank"), "worker:bank.jars.aggregate"
    plans = group_plans([bank_jars.receiver()], CATALOG)
    before = may(group, ProjectResources(names, CATALOG, plans, {}))
    more = may(group, ProjectResources(names, CATALOG, plans, {}, {RECEIVER: (0, 1, 2)})) - before
    changelogs = [names.changelog(names.of_generation(RECEIVER, n).group(RECEIVER), "state") for n in (1, 2)]
    assert more >= {("READ", names.events("bank.jars")), *(("READ", each) for each in changelogs)}
    assert more >= {("WRITE", each) for each in changelogs}


def test_an_operator_may_delete_the_groups_of_what_is_rebuilt_and_no_others() -> None:
    names, plans = Names("bank"), group_plans([bank_jars.receiver()], CATALOG)
    of_groups = {(AclResource.GROUP, each) for each in (RECEIVER, f"{RECEIVER}.1")}

    def deletes(**standing: tuple[int, ...]) -> set[tuple[AclResource, str]]:
        found = permissions_of("operator", ProjectResources(names, CATALOG, plans, {}, standing))
        return {(each.resource, each.name) for each in found if each.operation is Operation.DELETE}

    assert of_groups <= deletes(**{RECEIVER: (0, 1)})
    assert not [name for resource, name in deletes() if resource is AclResource.GROUP]


def test_who_deploys_may_create_all_that_is_deployed() -> None:
    resources = shop()
    contexts = {contract.namespace for contract in resources.catalog}
    topics = context_topics(resources.names, resources.catalog, contexts, 1)
    topics += [topic for plan in resources.plans for topic in group_topics(resources.names, plan, 1)]
    assert {name for operation, name in may("operator") if operation == "CREATE"} == {
        *(topic.name for topic in topics),
        resources.names.rebuilds(),
    }


def test_a_producer_may_send_the_commands_of_its_context_and_write_nothing_else() -> None:
    written = {name for operation, name in may("producer:shop.carts") if operation == "WRITE"}
    assert written == {"shop.carts.commands"}
    assert may("publisher:shop.fraud") == {("WRITE", "shop.fraud.events")}


def test_who_only_reads_events_may_read_events_in_its_own_groups() -> None:
    assert may("reader:billing*@shop.orders") == {("READ", "shop.orders.events")}
    every = permissions_of("reader:billing", shop())
    assert all(each.operation is Operation.READ for each in every)
    assert {each.name for each in every if each.resource is AclResource.TOPIC} == {
        f"shop.{context}.events" for context in ("accounts", "carts", "fraud", "orders")
    }
    for group in ("shop.orders", "shop*"):
        with pytest.raises(ConfigurationError, match="is not a group of another project"):
            permissions_of(f"reader:{group}", shop())


def test_a_subscriber_may_publish_what_it_says_that_it_publishes() -> None:
    assert ("WRITE", "shop.fraud.events") in may("worker:shop.fraud")
    assert ("WRITE", "shop.fraud.events") not in may("worker:shop.receipts")


def test_a_worker_of_some_groups_takes_no_commands_over_http() -> None:
    assert not [name for operation, name in may("worker:streams") if name.endswith(".commands")]
    assert may("gateway") <= may("worker")
    assert may("worker:streams") | may("worker:consumers") | may("gateway") >= may("worker")


def test_the_roles_of_a_project_are_those_that_it_needs() -> None:
    roles = roles_of(shop())
    assert roles[:2] == ["operator", "worker"]
    assert "publisher:shop.orders" not in roles, "its aggregate publishes them"


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("operators", "there is no role 'operators'"),
        ("reader:", "there is no role"),
        ("worker:shop.cart", "no group or folder has that name, there are consumers"),
        ("producer:shop.sales", "no context 'shop.sales' has commands"),
        ("publisher:shop.reports", "no context 'shop.reports' has events"),
    ],
)
def test_a_role_that_there_is_not_is_told_with_those_that_there_are(role: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        permissions_of(role, shop())


def test_principals_come_from_settings_and_flags_take_their_place(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.verbwire]\nproject = "shop"\n[tool.verbwire.principals]\n'
        'worker = ["User:CN=w1,O=shop", "User:w2"]\n"producer:shop.carts" = "User:till"\n'
    )
    principals = load_settings(tmp_path).principals
    assert assignments(principals) == [
        RoleAssignment("producer:shop.carts", "User:till"),
        RoleAssignment("worker", "User:CN=w1,O=shop"),
        RoleAssignment("worker", "User:w2"),
    ]
    assert assignments(principals, ["worker=User:CN=w3"])[1:] == [RoleAssignment("worker", "User:CN=w3")]
    for wrong in ("worker", "worker=ann"):
        with pytest.raises(ConfigurationError, match="write"):
            assignments({}, [wrong])
    with pytest.raises(ConfigurationError, match="no principal has a role"):
        acls_of([], shop())


def test_a_role_that_is_named_twice_in_the_environment_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERBWIRE_PRINCIPALS", "worker=User:a;worker=User:b")
    with pytest.raises(ConfigurationError, match="worker twice"):
        load_settings(ROOT)


def test_acls_that_are_not_needed_are_told_and_those_of_others_left_alone() -> None:
    needed = acls_of([RoleAssignment("producer:shop.carts", "User:till")], shop())

    def topic(name: str, operation: Operation, who: str, prefixed: bool = False, allows: bool = True) -> Acl:
        return Acl(who, Permission(AclResource.TOPIC, name, operation, prefixed), allows=allows)

    stray = topic("shop.orders.commands", Operation.WRITE, "User:till")
    former = topic("shop.gone.events", Operation.WRITE, "User:till")
    wide = topic("*", Operation.WRITE, "User:till")
    elsewhere = topic("warehouse.events", Operation.READ, "User:till")
    bob = topic("shop.", Operation.WRITE, "User:bob", prefixed=True)
    banned = topic("shop.carts.commands", Operation.WRITE, "User:till", allows=False)
    (first, *rest) = sorted(needed)
    found = compare(needed, {*rest, stray, former, wide, elsewhere, bob, banned}, shop())
    assert found.missing == (first,)
    assert {*found.unneeded} == {stray, former, wide}
    assert (found.others, found.bans) == ((bob,), (banned,))
    lines = list(found.lines())
    assert "note: User:bob may WRITE TOPIC shop.*, and has no role here" in lines
    assert lines[-1] == f"{len(rest)} of {len(needed)} ACLs are there"


def test_the_acl_script_names_everything_once_and_quotes_it() -> None:
    acls = acls_of([RoleAssignment("producer:shop.carts", "User:CN=o'hara,O=shop")], shop())
    lines = [line for line in script(acls) if line.startswith("allow ")]
    assert len(lines) == len([*told(acls)])
    assert (
        "allow --allow-principal 'User:CN=o'\"'\"'hara,O=shop' --operation Write --topic shop.carts.commands" in lines
    )
    worker = script(acls_of([RoleAssignment("worker:shop.carts", "User:w")], shop()))
    assert "--operation DescribeConfigs --operation Read --operation Write --topic" in "\n".join(worker)
    assert any(line.endswith("--transactional-id shop.carts- --resource-pattern-type prefixed") for line in worker)


def test_a_prefix_stands_before_all_names() -> None:
    resources = shop()
    staged = ProjectResources(Settings(prefix="staging").names, resources.catalog, resources.plans, resources.folders)
    names = {each.name for each in permissions_of("worker", staged)}
    assert {name for name in names if not name.startswith(("staging.", "verbwire."))} == set()


@pytest.mark.parametrize(("denied", "said"), [(True, r"WRITE TOPIC town\.events"), (False, "Purged in queue")])
def test_a_purged_delivery_of_a_producer_without_acls_says_which_acl_is_missing(denied: bool, said: str) -> None:
    """Whether it was still in the queue when librdkafka gave up is chance."""
    ack = Ack("1", "town.events", Failures(lambda: denied))
    ack.settle(KafkaError(KafkaError._PURGE_QUEUE), None)
    with pytest.raises(DeliveryError, match=said):
        ack.result()
