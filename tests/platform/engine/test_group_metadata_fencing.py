"""The proof of membership that fences a transaction, and what travels beside the rows."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer
from hypothesis import given
from hypothesis import strategies as st

from verbwire.engine.transactions import group_metadata
from verbwire.engine.transactions.group_metadata import GroupMetadata, encode, verify_form
from verbwire.errors import EngineError, FencedError
from verbwire.wire.records.changelog import read_inputs, write_inputs

TOPICS = st.from_regex(r"[a-z][a-z0-9._-]{0,30}", fullmatch=True)


@pytest.mark.parametrize("instance", [None, "", "worker-1", "ä"])
@pytest.mark.parametrize("group", ["a.group", "t.shop.carts.aggregate"])
def test_fencing_group_metadata_is_the_bytes_of_librdkafka(group: str, instance: str | None) -> None:
    config = {"bootstrap.servers": "127.0.0.1:1", "group.id": group, "log_level": 0}
    consumer = Consumer({**config, **({"group.instance.id": instance} if instance else {})})
    theirs = bytes(consumer.consumer_group_metadata())
    consumer.close()
    assert theirs == encode(group, -1, "", instance or None)


def test_fencing_group_metadata_that_differs_from_librdkafka_is_noticed_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verify_form()
    monkeypatch.setattr(group_metadata, "_MAGIC", b"CGMDv3:")
    with pytest.raises(EngineError, match="Install the confluent-kafka version"):
        verify_form()


@pytest.mark.parametrize(
    ("generation", "member"), [(-1, ""), (0, "m"), (-1, "m"), (7, "")], ids=["reset", "zero", "reset id", "no member"]
)
def test_fencing_needs_a_membership(generation: int, member: str) -> None:
    """The broker takes generation -1 with an empty member unchecked: such a pair must never leave us."""
    with pytest.raises(FencedError, match=r"not a member of a\.group"):
        GroupMetadata("a.group", generation, member, "worker-1").proof()


def test_fencing_proof_holds_generation_member_and_instance() -> None:
    assert GroupMetadata("g", 258, "m-1").proof() == b"CGMDv2:\x02\x01\x00\x00g\0m-1\0\x01"
    assert GroupMetadata("g", 1, "m-1", "w").proof() == b"CGMDv2:\x01\x00\x00\x00g\0m-1\0\0w\0"


@given(st.dictionaries(TOPICS, st.integers(0, 2**63 - 1), max_size=5))
def test_the_header_that_says_how_far_the_inputs_are_can_be_read_again(inputs: dict[str, int]) -> None:
    assert read_inputs(write_inputs(inputs)) == inputs


def test_the_header_is_text_that_others_can_read() -> None:
    assert write_inputs({"p.shop.carts.events": 42, "b": 0}) == b"p.shop.carts.events:42,b:0"
