"""Replies: decoded into the class that the asker knows, or one that looks like it."""

from __future__ import annotations

import json
import uuid
from typing import Any, ClassVar

import msgspec
import pytest

from tests.kit.cluster import Cluster
from verbwire.contracts.schema.load import load_catalog
from verbwire.errors import ContractError, UndecodableError
from verbwire.messages import Accepted, Expired, Reply
from verbwire.names import Names
from verbwire.wire.codec.replies import Replies
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.outcomes import OutcomeRecord, OutcomeStatus
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

TEXT = [{"name": "door", "type": "string"}]
SCHEMAS = (
    {"name": "OpenDoor", "kind": "command", "reply": "Key", "fields": TEXT},
    {"name": "CloseDoor", "kind": "command", "reply": "Bolt", "fields": TEXT},
    {"name": "PaintDoor", "kind": "command", "fields": TEXT},
    {"name": "Key", "kind": "reply", "fields": [*TEXT, {"name": "teeth", "type": {"type": "array", "items": "int"}}]},
    {"name": "Bolt", "kind": "reply", "fields": TEXT},
)


class Key(Reply, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.doors.Key"
    door: str
    teeth: tuple[int, ...]


class Bolt(Reply, frozen=True, kw_only=True):  # of an earlier version
    __contract__: ClassVar[str] = "home.doors.Bolt"
    __fingerprint__: ClassVar[str] = "an earlier one"


@pytest.fixture(scope="module")
def codec(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "doors").mkdir()
    for schema in SCHEMAS:
        text = json.dumps({"type": "record", "namespace": "home.doors", "key": "door", "doc": "-", **schema})
        (folder / "doors" / f"{schema['name']}.avsc").write_text(text)
    catalog = load_catalog(folder)
    Key.__fingerprint__ = catalog.find("Key").fingerprint
    codec = Codec(catalog, Registry(cluster.registry_url), Names("home", f"r{uuid.uuid4().hex[:10]}"))
    for contract in catalog:
        codec.registry.register(codec.names.subject(contract.name), contract.text)
    return codec


def line(command: str, reply: bytes | None, status: OutcomeStatus = OutcomeStatus.ACCEPTED) -> OutcomeRecord:
    return OutcomeRecord(
        command_id="c1",
        command=f"home.doors.{command}",
        fingerprint=b"",
        status=status,
        reply=reply,
        partition=0,
        offset=0,
    )


def test_a_reply_is_of_the_generated_class(codec: Codec) -> None:
    key = Key(door="front", teeth=(3, 1))
    reply = codec.encoder(codec.catalog.find("Key"))(key)
    assert Replies(codec).outcome(line("OpenDoor", reply)) == Accepted(reply=key)


def test_without_its_class_a_reply_still_has_its_fields(codec: Codec) -> None:
    contract = codec.catalog.find("Bolt")
    bolt: Any = msgspec.defstruct("AnyBolt", [("door", str)])(door="front")
    replies = Replies(codec)
    outcome = replies.outcome(line("CloseDoor", codec.encoder(contract)(bolt)))
    assert isinstance(outcome, Accepted)
    assert outcome.reply.door == "front"
    assert codec.catalog.of(outcome.reply) is contract
    assert replies.outcome(line("CloseDoor", codec.encoder(contract)(bolt))) == outcome


def test_an_outcome_without_a_reply_is_what_it_was(codec: Codec) -> None:
    assert Replies(codec).outcome(line("OpenDoor", None, OutcomeStatus.EXPIRED)) == Expired()
    assert Replies(codec).outcome(line("Unknown", None)) == Accepted()


@pytest.mark.usefixtures("registry_that_is_believed")
def test_a_reply_of_another_contract_is_refused(codec: Codec) -> None:
    key = codec.encoder(codec.catalog.find("Key"))(Key(door="front", teeth=()))
    with pytest.raises(UndecodableError, match="another record"):
        Replies(codec).outcome(line("CloseDoor", key))
    with pytest.raises(UndecodableError, match="OpenDoor"):
        Replies(codec).outcome(line("OpenDoor", b"\x00\x7f\xff\xff\xff"))
    with pytest.raises(ContractError, match="the reply of"):
        Replies(codec).outcome(line("PaintDoor", key))
    with pytest.raises(ContractError, match="Unknown"):
        Replies(codec).outcome(line("Unknown", key))
