"""The registry: ids and schemas, and what is said when it cannot answer."""

from __future__ import annotations

import json
import time

import pytest

from tests.kit.cluster import Cluster
from tests.kit.notes import CATALOG, COMMAND, EVENT, changed, with_field
from verbwire.errors import ConfigurationError, ContractError, UnavailableError
from verbwire.wire.avro.schema_equality import canonical
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

CONTRACT = CATALOG.of(EVENT)


@pytest.fixture
def registry(cluster: Cluster) -> Registry:
    return Registry(cluster.registry_url)


def test_a_schema_comes_back_by_its_id(registry: Registry, unique: str) -> None:
    schema_id = registry.register(unique, CONTRACT.text)
    assert canonical(registry.schema(schema_id)) == canonical(CONTRACT.schema)
    assert registry.id_of(unique, CONTRACT.text) == schema_id
    assert unique in registry.subjects(schema_id)


def test_registering_twice_is_registering_once(registry: Registry, cluster: Cluster, unique: str) -> None:
    first = registry.register(unique, CONTRACT.text)
    reordered = json.dumps(CONTRACT.schema, sort_keys=True)
    another = Registry(cluster.registry_url)
    assert another.register(unique, reordered) == another.id_of(unique, reordered) == first


def test_bounds_come_back_and_make_another_version(registry: Registry, unique: str) -> None:
    names = {"type": "array", "items": {"type": "string", "maxLength": 3, "pattern": "^[a-z]*$"}}
    loose = with_field(CONTRACT, name="names", type=names, default=[], maxItems=4)
    tight = with_field(CONTRACT, name="names", type=names, default=[], maxItems=3)
    first = registry.register(unique, loose.text)
    assert canonical(registry.schema(first)) == canonical(loose.schema)
    second = registry.register(unique, tight.text)  # compatible, as far as a registry can tell
    assert first != second
    assert (registry.id_of(unique, loose.text), registry.id_of(unique, tight.text)) == (first, second)


def test_looking_up_never_registers(registry: Registry, unique: str) -> None:
    with pytest.raises(ContractError, match="run `verbwire deploy`"):
        registry.id_of(unique, CONTRACT.text)
    assert registry.latest(unique) is None
    registry.register(unique, CONTRACT.text)
    with pytest.raises(ContractError, match="in this version: run `verbwire deploy`"):
        registry.id_of(unique, with_field(CONTRACT, name="room", type="string", default="").text)


def test_one_schema_under_two_subjects_belongs_to_both(registry: Registry, unique: str) -> None:
    schema_id = registry.register(f"{unique}.a", CONTRACT.text)
    assert registry.register(f"{unique}.b", CONTRACT.text) == schema_id
    assert {f"{unique}.a", f"{unique}.b"} <= registry.subjects(schema_id)


def test_subjects_are_told_to_the_last_page(registry: Registry, unique: str) -> None:
    every = {f"{unique}.{number}" for number in range(3)}
    for subject in every:
        registry.register(subject, CONTRACT.text)
    size = len(registry.all_subjects()) // 3 + 1  # other tests have left theirs
    assert every <= {*registry.all_subjects(page=size)}


def test_levels_are_set_and_taken_back(registry: Registry, unique: str) -> None:
    registry.register(unique, CONTRACT.text)
    before = registry.compatibility(unique)
    registry.set_compatibility(unique, "FULL_TRANSITIVE")
    assert registry.compatibility(unique) == "FULL_TRANSITIVE"
    registry.reset_compatibility(unique, before)
    assert registry.compatibility(unique) == before


def test_an_incompatible_schema_is_refused_with_the_registrys_reason(registry: Registry, unique: str) -> None:
    registry.register(unique, CONTRACT.text)
    registry.set_compatibility(unique, "FULL_TRANSITIVE")
    wrong = with_field(CONTRACT, name="room", type="string").text
    assert not registry.is_compatible(unique, wrong)
    with pytest.raises(ContractError, match=f"the registry refuses {unique}: .*room"):
        registry.register(unique, wrong)


def test_every_transitive_version_counts(registry: Registry, unique: str) -> None:
    contract = CATALOG.of(COMMAND)
    registry.register(unique, contract.text)
    registry.set_compatibility(unique, "BACKWARD_TRANSITIVE")
    without = changed(contract, fields=contract.schema["fields"][:-1])
    registry.register(unique, without.text)
    # Fits the last version, but not the first, in which author was null or text.
    wrong = with_field(without, name="author", type="int", default=0)
    assert not registry.is_compatible(unique, wrong.text)


@pytest.mark.parametrize("schema_id", [987_654_321, 2**31 + 5])
def test_an_id_that_nobody_registered(registry: Registry, schema_id: int) -> None:
    assert registry.subjects(schema_id) == set()
    with pytest.raises(ContractError, match=f"knows no schema {schema_id}"):
        registry.schema(schema_id)


def test_a_registry_that_is_not_there_is_unavailable_within_seconds() -> None:
    registry = Registry("http://ann:never-shown@127.0.0.1:1")
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="cannot be reached") as silent:
        registry.schema(1)
    assert "never-shown" not in str(silent.value)
    assert time.monotonic() - started < 10


def test_wrong_settings_name_the_variable() -> None:
    with pytest.raises(ConfigurationError, match="VERBWIRE_REGISTRY"):
        Registry("no url")
