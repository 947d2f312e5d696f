"""Deploying: what stands on the cluster afterwards, that twice is once, and that contradictions change nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigEntry, ConfigResource, NewTopic, ResourceType

from tests.kit.cluster import Cluster, eventually
from tests.kit.notes import CATALOG, COMMAND, EVENT, NAMESPACE, changed, with_field
from tests.kit.registry_proxy import hiding
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.deploy.deployment import deploy
from verbwire.deploy.group_plan import GroupPlan, internal_contracts
from verbwire.deploy.target import Target
from verbwire.errors import DeployError, UnavailableError
from verbwire.messages import Kind
from verbwire.names import Names
from verbwire.wire.avro.schema_equality import shape
from verbwire.wire.registry import read_back
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

DAY = 86_400_000
GROUPS = (
    GroupPlan("office.notes.aggregate", Kind.COMMAND, (NAMESPACE,), ("state",)),
    GroupPlan("office.notes", Kind.EVENT, (NAMESPACE,), ("notes",)),
)


@pytest.fixture
def target(cluster: Cluster, unique: str) -> Target:
    return Target(cluster.bootstrap, cluster.registry_url, Names("office", unique), partitions=3)


@pytest.fixture
def admin(cluster: Cluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": cluster.bootstrap})


@pytest.fixture
def registry(cluster: Cluster) -> Registry:
    return Registry(cluster.registry_url)


def topics(admin: AdminClient, target: Target) -> dict[str, int]:
    prefix = target.names.prefix + "."
    found = admin.list_topics(timeout=10).topics.values()
    return {
        topic.topic.removeprefix(prefix): len(topic.partitions) for topic in found if topic.topic.startswith(prefix)
    }


def settings(admin: AdminClient, topic: str) -> dict[str, str]:
    (answer,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in answer.result().items()}


def with_contracts(contracts: Iterable[Contract]) -> Catalog:
    return Catalog({**CATALOG.contracts, **{contract.name: contract for contract in contracts}})


def create(admin: AdminClient, topic: str, partitions: int, **config: str) -> None:
    new = NewTopic(topic, partitions, 1, config={name.replace("_", "."): value for name, value in config.items()})
    admin.create_topics([new])[topic].result()
    eventually(lambda: topic in admin.list_topics(timeout=10).topics)


def test_topics_are_made_as_the_design_says(admin: AdminClient, target: Target) -> None:
    deploy(target, CATALOG, GROUPS)
    assert topics(admin, target) == {
        "office.notes.events": 3,
        "office.notes.commands": 3,
        "office.notes.outcomes": 3,
        "office.notes.aggregate-state-changelog": 3,
        "office.notes-notes-changelog": 3,
        "office.notes.aggregate.dead-letters": 3,
        "office.notes.dead-letters": 3,
        **{f"office.parcels.{each}": 3 for each in ("commands", "outcomes", "events")},
        **{f"office.labels.{each}": 3 for each in ("commands", "outcomes")},
        "office.replies": 12,
        "office.workers": 1,
    }
    prefix = target.names.prefix
    expected: dict[str, dict[str, str]] = {
        "office.notes.events": {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "message.timestamp.type": "LogAppendTime",
        },
        "office.notes.commands": {
            "cleanup.policy": "delete",
            "retention.ms": str(30 * DAY),
            "message.timestamp.type": "LogAppendTime",
        },
        "office.notes.outcomes": {"cleanup.policy": "delete", "retention.ms": str(7 * DAY)},
        "office.notes-notes-changelog": {"cleanup.policy": "compact"},
        "office.replies": {"cleanup.policy": "delete", "retention.ms": "3600000"},
        "office.notes.dead-letters": {"cleanup.policy": "delete", "retention.ms": str(90 * DAY)},
        "office.workers": {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"},
    }
    for topic, wanted in expected.items():
        found = settings(admin, f"{prefix}.{topic}")
        assert {name: found[name] for name in wanted} == wanted, topic
    letters = settings(admin, f"{prefix}.office.notes.dead-letters")
    assert int(letters["max.message.bytes"]) > int(
        settings(admin, f"{prefix}.office.notes.events")["max.message.bytes"]
    )


def test_schemas_are_registered_with_their_levels(registry: Registry, target: Target) -> None:
    report = deploy(target, CATALOG, GROUPS)
    subject = target.names.subject
    own = {subject(f"verbwire.{each}") for each in ("Outcome", "Worker")}
    assert set(report.schemas) == {subject(contract.name) for contract in CATALOG} | own
    for name, level in {
        "office.notes.NoteTaken": "FULL_TRANSITIVE",
        "office.notes.NotesPerDay": "FULL_TRANSITIVE",
        "office.notes.TakeNote": "BACKWARD_TRANSITIVE",
        "verbwire.Outcome": "FULL_TRANSITIVE",
        "verbwire.Worker": "FULL_TRANSITIVE",
    }.items():
        assert registry.compatibility(subject(name)) == level
    for contract in CATALOG:
        schema_id = registry.id_of(subject(contract.name), contract.text)
        assert shape(registry.schema(schema_id)) == shape(contract.schema)


def test_a_second_run_changes_nothing_and_says_so(target: Target) -> None:
    first = deploy(target, CATALOG, GROUPS)
    second = deploy(target, CATALOG, GROUPS)
    assert first.changed
    assert not second.changed
    assert second.lines() == ["nothing to change"]
    assert second.unchanged == len(first.topics) + len(first.schemas)


def test_another_order_of_attributes_is_no_new_version(target: Target) -> None:
    deploy(target, CATALOG, GROUPS)
    contract = CATALOG.of(EVENT)
    reordered = changed(contract)  # the helper writes its attributes in alphabetical order
    assert reordered.text != contract.text
    assert not deploy(target, with_contracts([reordered]), GROUPS).changed


def test_a_compatible_change_is_a_new_version(registry: Registry, target: Target) -> None:
    deploy(target, CATALOG, GROUPS)
    newer = with_field(CATALOG.of(EVENT), name="room", type="string", default="")
    report = deploy(target, with_contracts([newer]), GROUPS)
    subject = target.names.subject(newer.name)
    assert report.schemas == (subject,)
    assert registry.id_of(subject, newer.text) != registry.id_of(subject, CATALOG.of(EVENT).text)


def test_an_incompatible_schema_is_refused_and_its_field_named(registry: Registry, target: Target) -> None:
    deploy(target, CATALOG, GROUPS)
    wrong = with_field(CATALOG.of(EVENT), name="room", type="string")
    new = replace(changed(CATALOG.of(COMMAND), name="TakeAnother"), name="office.notes.TakeAnother")
    with pytest.raises(DeployError, match=r"NoteTaken is not FULL_TRANSITIVE: field room: is new and has no"):
        deploy(target, with_contracts([wrong, new]), GROUPS)
    assert registry.find(target.names.subject(new.name), new.text) is None


def test_a_command_may_drop_a_field_but_not_gain_one_without_default(target: Target) -> None:
    deploy(target, CATALOG, GROUPS)
    contract = CATALOG.of(COMMAND)
    fewer = changed(contract, fields=[each for each in contract.schema["fields"] if each["name"] != "words"])
    assert deploy(target, with_contracts([fewer]), GROUPS).changed
    more = with_field(contract, name="room", type="string")
    with pytest.raises(DeployError, match="field room: is new and has no default"):
        deploy(target, with_contracts([more]), GROUPS)


def test_a_subject_that_others_made_is_judged_by_our_level(registry: Registry, target: Target) -> None:
    contract = CATALOG.of(EVENT)
    subject = target.names.subject(contract.name)
    registry.register(subject, contract.text)
    before = registry.compatibility(subject)
    with pytest.raises(DeployError, match="field room: is new and has no default"):
        deploy(target, with_contracts([with_field(contract, name="room", type="string")]), GROUPS)
    assert registry.compatibility(subject) == before
    assert subject in deploy(target, CATALOG, GROUPS).levels
    assert registry.compatibility(subject) == "FULL_TRANSITIVE"


def test_schemas_that_registries_take_for_the_same_are_compared_by_ourselves(
    registry: Registry, target: Target
) -> None:
    """With every version: the first had a long, the second no longer has it, the third calls it a moment."""
    contract = CATALOG.of(EVENT)
    moment = {"type": "long", "logicalType": "timestamp-millis"}
    deploy(target, with_contracts([with_field(contract, name="read_at", type="long", default=0)]), GROUPS)
    deploy(target, CATALOG, GROUPS)
    subject, another = target.names.subject(contract.name), with_field(contract, name="read_at", type=moment, default=0)
    assert registry.is_compatible(subject, another.text)
    with pytest.raises(DeployError, match="field read_at: was long, is timestamp-millis: registries take them for the"):
        deploy(target, with_contracts([another]), GROUPS)
    with pytest.raises(DeployError, match='"key" was note_id, is words: what was written before stands under the old'):
        deploy(target, with_contracts([changed(contract, key="words")]), GROUPS)
    assert len(list(registry.versions(subject))) == 2


def test_a_new_version_is_noted_with_what_to_think_over(target: Target) -> None:
    contract = CATALOG.of(EVENT)
    first, second = (with_field(contract, name="room", type="string", default=room) for room in ("hall", "attic"))
    deploy(target, with_contracts([first]), GROUPS)
    report = deploy(target, with_contracts([second]), GROUPS)
    (note,) = report.notes
    assert "NoteTaken: field room: the default was 'hall', is 'attic'" in note
    assert [shape(each) for each in report.versions[contract.name]] == [shape(first.schema)]


def test_an_event_whose_file_is_gone_is_missed_until_it_is_retired(registry: Registry, target: Target) -> None:
    lost, moved = (
        replace(changed(CATALOG.of(EVENT), name=name, namespace=space), name=f"{space}.{name}")
        for name, space in (("NoteLost", NAMESPACE), ("NoteTaken", "office.desk"))
    )
    deploy(target, with_contracts([lost]), GROUPS)
    with pytest.raises(
        DeployError, match=r'office\.notes\.NoteLost is gone: events .* retired = \["office.notes.NoteLost"'
    ):
        deploy(target, CATALOG, GROUPS)
    rest = [each for each in CATALOG if each.name != moved.name and each.kind is not Kind.EVENT]
    elsewhere = Catalog({each.name: each for each in [*rest, moved]})
    with pytest.raises(
        DeployError, match=r"notes\.NoteTaken is gone; office\.desk\.NoteTaken is another message, in"
    ) as no:
        deploy(target, elsewhere, GROUPS[:1], retired=[lost.name])
    assert "NoteLost" not in str(no.value)
    assert registry.latest(target.names.subject(moved.name)) is None
    assert not deploy(target, CATALOG, GROUPS, retired=[lost.name]).changed
    assert not deploy(target, CATALOG, GROUPS[1:]).changed  # who only listens may know a part of what is there


@pytest.mark.parametrize(
    ("partitions", "config", "reason"),
    [
        (5, {"cleanup_policy": "delete"}, r"has 5 partitions, not 3"),
        (3, {"cleanup_policy": "compact"}, r"has cleanup.policy=compact, not delete"),
    ],
)
def test_another_topic_of_that_name_is_refused_before_anything_changes(
    admin: AdminClient, registry: Registry, target: Target, partitions: int, config: dict[str, str], reason: str
) -> None:
    create(admin, target.names.events(NAMESPACE), partitions, **config)
    with pytest.raises(DeployError, match=reason):
        deploy(target, CATALOG, GROUPS)
    assert list(topics(admin, target)) == ["office.notes.events"]
    contract = CATALOG.of(EVENT)
    assert registry.find(target.names.subject(contract.name), contract.text) is None


def test_a_tuned_setting_is_reported_and_left_alone(admin: AdminClient, target: Target) -> None:
    deploy(target, CATALOG, GROUPS)
    topic = target.names.commands(NAMESPACE)
    tuned = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[ConfigEntry("retention.ms", "31536000000")])
    tuned.incremental_configs[0].incremental_operation = _set()
    next(iter(admin.incremental_alter_configs([tuned]).values())).result()
    eventually(lambda: settings(admin, topic)["retention.ms"] == "31536000000")
    report = deploy(target, CATALOG, GROUPS)
    assert not report.changed
    assert report.notes == (f"topic {topic} has retention.ms=31536000000, planned is {30 * DAY}; left alone",)
    assert settings(admin, topic)["retention.ms"] == "31536000000"


def _set() -> Any:
    from confluent_kafka.admin import AlterConfigOpType

    return AlterConfigOpType.SET


def test_only_owned_contexts_are_deployed(admin: AdminClient, registry: Registry, target: Target) -> None:
    report = deploy(target, CATALOG, [], owned=[])
    assert set(report.topics) == {target.names.replies(), target.names.workers()}
    assert report.schemas == (target.names.subject("verbwire.Worker"),)


def test_a_group_that_reads_what_nobody_deployed_is_refused(target: Target) -> None:
    stranger = GroupPlan("office.copies", Kind.EVENT, ("other.context",), ("copies",))
    with pytest.raises(DeployError, match=r"office\.copies reads .*other\.context\.events, which is not deployed"):
        deploy(target, CATALOG, [stranger])


def test_a_group_on_another_teams_topic_takes_its_number_of_partitions(admin: AdminClient, target: Target) -> None:
    create(admin, target.names.events("other.context"), 7)
    deploy(target, CATALOG, [GroupPlan("office.copies", Kind.EVENT, ("other.context",), ("copies",))])
    assert topics(admin, target)["office.copies-copies-changelog"] == 7


def test_a_group_must_not_read_topics_of_different_sizes(admin: AdminClient, target: Target) -> None:
    create(admin, target.names.events("other.context"), 7)
    both = GroupPlan("office.copies", Kind.EVENT, ("other.context", NAMESPACE), ("copies",))
    with pytest.raises(DeployError, match="different numbers of partitions"):
        deploy(target, CATALOG, [both])


def test_registered_schemas_are_read_back_each_time(
    cluster: Cluster, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_back, "SECONDS", 0.3)
    with hiding(cluster.registry_url, r"^/schemas/ids/") as broken:
        for _ in range(2):  # it must not pass because everything is registered by now
            with pytest.raises(
                DeployError, match=r"is registered as schema \d+, but GET /schemas/ids/\d+/subjects and"
            ):
                deploy(replace(target, registry=broken.url), CATALOG, GROUPS)
        broken.hidden = r"^/schemas/ids/\d+/subjects"  # as an older registry does
        assert deploy(replace(target, registry=broken.url), CATALOG, GROUPS).topics


def test_a_first_deployment_asks_for_each_subject_once_before_it_registers(cluster: Cluster, target: Target) -> None:
    """Large projects have hundreds, and each question takes ten milliseconds and more."""
    with hiding(cluster.registry_url, "^$") as counting:
        deployed = deploy(replace(target, registry=counting.url), CATALOG, GROUPS)
    for subject in deployed.schemas:
        asked = [path for path in counting.asked if path.partition("?")[0].startswith(f"/subjects/{subject}")]
        of_our_own = subject.endswith(".Worker")  # looked up once more, to be read back
        assert len(asked) <= 2 + of_our_own, asked


def test_a_broker_that_is_not_there_is_unavailable(target: Target) -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        deploy(replace(target, registry="http://127.0.0.1:1"), CATALOG, GROUPS)


def test_a_dry_run_tells_and_changes_nothing(admin: AdminClient, registry: Registry, target: Target) -> None:
    contract = CATALOG.of(EVENT)
    subject = target.names.subject(contract.name)
    registry.register(subject, contract.text)
    before = registry.compatibility(subject)
    plan = deploy(target, CATALOG, GROUPS, dry_run=True)
    assert topics(admin, target) == {}
    assert registry.compatibility(subject) == before
    assert registry.latest(target.names.subject(CATALOG.of(COMMAND).name)) is None
    assert f"would create topic {target.names.events(NAMESPACE)}" in plan.lines()
    assert f"would set compatibility of {subject}" in plan.lines()
    done = deploy(target, CATALOG, GROUPS)
    assert (done.topics, done.schemas, done.levels) == (plan.topics, plan.schemas, plan.levels)
    assert not deploy(target, CATALOG, GROUPS, dry_run=True).changed


def test_a_dry_run_finds_what_contradicts_without_touching_a_level(registry: Registry, target: Target) -> None:
    contract = CATALOG.of(EVENT)
    subject = target.names.subject(contract.name)
    registry.register(subject, contract.text)
    before = registry.compatibility(subject)
    wrong = with_contracts([with_field(contract, name="room", type="string")])
    with pytest.raises(DeployError, match="field room: is new and has no default"):
        deploy(target, wrong, GROUPS, dry_run=True)
    assert registry.compatibility(subject) == before


def test_another_projects_copy_of_our_event_is_not_registered(registry: Registry, target: Target) -> None:
    deploy(target, CATALOG, GROUPS)
    subject = target.names.subject(EVENT.__contract__)
    copy = with_contracts([with_field(CATALOG.of(EVENT), name="room", type="string", default="")])
    archive = replace(target, names=replace(target.names, project="archive"))
    reader = GroupPlan("archive.notes", Kind.EVENT, (NAMESPACE,), ("notes",))
    report = deploy(archive, copy, [reader], owned=["archive.boxes"])
    assert len(list(registry.versions(subject))) == 1
    assert report.schemas == ()
    (note,) = report.notes
    assert note.startswith(f"other projects' contracts, in a version that those have not registered: {subject};")


def test_schemas_of_our_own_are_registered_where_a_group_needs_them() -> None:
    table = replace(GROUPS[0], heeds=True, parks=True)
    names = [each.short for each in internal_contracts([*GROUPS, table])]
    assert names == ["Worker", "Request", "ParkedRecord"]
    assert [each.short for each in internal_contracts([replace(table, schedules="office.notes")])][-1] == "Scheduled"
