"""The codec: a record is believed only if its schema belongs to its topic."""

from __future__ import annotations

import http.server
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.kit.cluster import Cluster
from tests.kit.notes import CATALOG, COMMAND, EVENT, NAMESPACE, ROW, changed, with_field
from tests.kit.samples.office.notes import NotesPerDay, NoteTaken, TakeNote
from verbwire.contracts.schema.model import Contract
from verbwire.errors import ContractError, UnavailableError, UndecodableError
from verbwire.messages import Message
from verbwire.names import Names
from verbwire.wire.avro.framing import frame
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord, OutcomeStatus
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}


@pytest.fixture
def codec(cluster: Cluster, unique: str) -> Codec:
    codec = Codec(CATALOG, Registry(cluster.registry_url), Names("office", unique))
    for contract in (*CATALOG, OUTCOME):
        register(codec, contract)
    return codec


def register(codec: Codec, contract: Contract, subject: str | None = None) -> int:
    return codec.registry.register(subject or codec.names.subject(contract.name), contract.text)


def events(codec: Codec, *classes: type[Message]) -> TopicDecoder:
    topic = codec.names.events(NAMESPACE)
    return codec.topic_decoder(topic, NAMESPACE, {cls.__contract__: cls for cls in classes or (NoteTaken,)})


def renamed(contract: Contract, namespace: str, name: str) -> Contract:
    return replace(changed(contract, namespace=namespace, name=name), name=f"{namespace}.{name}")


def test_encoded_messages_are_decoded(codec: Codec) -> None:
    assert events(codec).decode(codec.encoder(CATALOG.of(EVENT))(EVENT)) == EVENT
    commands = codec.topic_decoder(codec.names.commands(NAMESPACE), NAMESPACE, {TakeNote.__contract__: TakeNote})
    assert commands.decode(codec.encoder(CATALOG.of(COMMAND))(COMMAND)) == COMMAND
    rows = codec.topic_decoder("some-changelog", NAMESPACE, {NotesPerDay.__contract__: NotesPerDay})
    assert rows.decode(codec.encoder(CATALOG.of(ROW))(ROW)) == ROW


def test_values_decoded_together_are_what_each_would_be(codec: Codec) -> None:
    """Of several versions and types, readable or not, in any order, before and after their schemas were looked up."""
    contract = CATALOG.of(EVENT)
    good = codec.encoder(contract)(EVENT)
    newer = (
        frame(register(codec, with_field(contract, name="room", type="string", default="none"))) + good[5:] + b"\x06top"
    )
    other = frame(register(codec, renamed(contract, NAMESPACE, "NoteShredded"))) + good[5:]
    foreign = codec.encoder(CATALOG.of(ROW))(ROW)
    values = [good, None, other, newer, good[:-1], good, b"", other, foreign, newer + b"x", b"\0\0", good, newer]
    decoder = events(codec)
    for _ in range(2):
        found = decoder.decode_all(values)
        for value, one in zip(values, found, strict=True):
            if isinstance(one, UndecodableError):
                with pytest.raises(UndecodableError) as told:
                    decoder.decode(value)
                assert str(told.value) == str(one)
            else:
                assert one == decoder.decode(value)
        assert [type(each).__name__[:4] for each in found] == [
            *("Note", "Unde", "None", "Note", "Unde", "Note", "Unde", "None", "Unde", "Unde", "Unde", "Note", "Note")
        ]


def test_the_ledger_is_decoded_like_any_topic(codec: Codec) -> None:
    line = OutcomeRecord(
        command_id="c", command="a.B", fingerprint=b"", status=OutcomeStatus.ACCEPTED, partition=0, offset=0
    )
    ledger = codec.topic_decoder(codec.names.outcomes(NAMESPACE), "verbwire", {OUTCOME.name: OutcomeRecord})
    assert ledger.decode(codec.encoder(OUTCOME)(line)) == line


def test_an_encoder_is_made_once_and_never_registers(codec: Codec) -> None:
    contract = CATALOG.of(EVENT)
    assert codec.encoder(contract) is codec.encoder(contract)
    newer = replace(with_field(contract, name="room", type="string", default=""), name="office.notes.Other")
    with pytest.raises(ContractError, match="verbwire deploy"):
        codec.encoder(newer)


def test_a_stale_class_is_refused(codec: Codec) -> None:
    class Stale(NoteTaken, frozen=True, kw_only=True):
        __fingerprint__ = "0000000000000000"

    with pytest.raises(ContractError, match="stale"):
        events(codec, Stale)


def test_a_type_that_is_not_handled_here_is_none_and_an_unknown_one_is_told(
    codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    other = renamed(CATALOG.of(EVENT), NAMESPACE, "NoteShredded")
    body = codec.encoder(CATALOG.of(EVENT))(EVENT)[5:]
    decoder = codec.topic_decoder(codec.names.events(NAMESPACE), NAMESPACE, {})
    with caplog.at_level(logging.INFO, "verbwire"):
        for contract in (CATALOG.of(EVENT), other, other):
            assert decoder.decode(frame(register(codec, contract)) + body) is None
    (told,) = [each.getMessage() for each in caplog.records if each.name == "verbwire.wire.codec.topics"]
    assert told.endswith("office.notes.NoteShredded, which is no contract of this project: passed over")


def test_a_field_that_others_write_as_another_logical_type_is_undecodable(codec: Codec) -> None:
    contract = CATALOG.of(EVENT)
    others: dict[str, object] = {"filed_at": "long", "folder": "string", "at_time": MILLIS}
    for field, avro in others.items():
        fields = [{**each, "type": avro} if each["name"] == field else each for each in contract.schema["fields"]]
        theirs = changed(contract, fields=fields)
        value = frame(register(codec, theirs)) + codec.encoder(contract)(EVENT)[5:]
        with pytest.raises(UndecodableError, match=f"schema .*: field {field} was written as .*: it would be another"):
            events(codec).decode(value)


def test_an_older_version_is_read_with_the_schema_it_was_written_with(codec: Codec) -> None:
    contract = CATALOG.of(EVENT)
    newer = with_field(contract, name="room", type="string", default="none")
    written = frame(register(codec, newer)) + codec.encoder(contract)(EVENT)[5:] + b"\x06top"
    assert events(codec).decode(written) == EVENT


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\x00", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x01abc", b'{"json": true}', b"Obj\x01avro file"],
)
def test_bytes_not_in_the_wire_format_are_undecodable(codec: Codec, value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        events(codec).decode(value)


def test_an_id_of_another_namespace_is_refused_though_its_bytes_would_fit(codec: Codec) -> None:
    foreign = renamed(CATALOG.of(EVENT), "office.others", "NoteTaken")
    value = frame(register(codec, foreign)) + codec.encoder(CATALOG.of(EVENT))(EVENT)[5:]
    with pytest.raises(UndecodableError, match=r"is of .*office\.others\.NoteTaken, not of office\.notes"):
        events(codec).decode(value)


def test_a_schema_of_our_name_under_a_foreign_subject_is_refused(codec: Codec, unique: str) -> None:
    forged = changed(CATALOG.of(EVENT), fields=list(reversed(CATALOG.of(EVENT).schema["fields"])))
    forged = changed(forged, fields=[{"name": "note_id", "type": "string"}])
    value = frame(register(codec, forged, f"{unique}.forged")) + b"\x00"
    with pytest.raises(UndecodableError, match=r"forged, not of office\.notes"):
        events(codec).decode(value)


def test_a_command_in_a_topic_of_events_is_refused(codec: Codec) -> None:
    with pytest.raises(UndecodableError, match="not one of the events"):
        events(codec, NoteTaken, TakeNote).decode(codec.encoder(CATALOG.of(COMMAND))(COMMAND))


def test_an_unknown_id_is_undecodable(codec: Codec) -> None:
    with pytest.raises(UndecodableError, match="knows no schema"):
        events(codec).decode(frame(2**31 + 7) + b"x")


def test_a_schema_that_could_crash_the_reader_is_never_used(codec: Codec) -> None:
    contract = CATALOG.of(EVENT)
    nothings = {"type": "array", "items": "null"}
    harmful = with_field(contract, name="nothings", type=nothings, default=[])
    value = frame(register(codec, harmful)) + codec.encoder(contract)(EVENT)[5:] + b"\x80\x80\x80\x80\x10\x00"
    with pytest.raises(UndecodableError, match="not safe to read"):
        events(codec).decode(value)


def test_the_registry_is_asked_once_for_each_id(codec: Codec) -> None:
    decoder = events(codec)
    good, bad = codec.encoder(CATALOG.of(EVENT))(EVENT), frame(2**31 + 7) + b"x"
    decoder.decode(good)
    with pytest.raises(UndecodableError):
        decoder.decode(bad)
    codec.registry = Registry("http://127.0.0.1:1")
    assert decoder.decode(good) == EVENT
    with pytest.raises(UndecodableError):
        decoder.decode(bad)


def test_an_unknown_id_while_the_registry_is_away_is_unavailable_and_asked_again(codec: Codec) -> None:
    decoder, value, reachable = events(codec), codec.encoder(CATALOG.of(EVENT))(EVENT), codec.registry
    codec.registry = Registry("http://127.0.0.1:1", {"max.retries": 0})
    with pytest.raises(UnavailableError):
        decoder.decode(value)
    with _failing_registry() as url:
        codec.registry = Registry(url, {"max.retries": 0})
        with pytest.raises(UnavailableError):
            decoder.decode(value)
    codec.registry = reachable
    assert decoder.decode(value) == EVENT


@contextmanager
def _failing_registry() -> Iterator[str]:
    class Fails(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fails)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
