"""Headers: CloudEvents to everybody else, nothing superfluous, nothing believed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.notes import CATALOG, COMMAND
from verbwire.engine.processors.aggregate import MAX_EVENTS
from verbwire.errors import UndecodableError
from verbwire.wire.headers import MAX_ID, Envelope, Headers, HeaderTemplate, dataschema, to_headers

CONTRACT = CATALOG.of(COMMAND)
DEADLINE = datetime(2026, 11, 22, 19, 0, 0, 500_000, tzinfo=UTC)
FULL = Envelope(
    id="id-1",
    type=CONTRACT.name,
    source="office",
    dataschema=dataschema(CONTRACT),
    correlation_id="first",
    causation_id="parent",
    actor="jürgen",
    scopes=("notes:write", "notes:read"),
    deadline=DEADLINE,
    ttl=30_000,
    reply_partition=7,
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    time=DEADLINE,
)


def test_an_envelope_comes_back() -> None:
    headers = Headers(to_headers(FULL))
    for attribute in FULL.__struct_fields__:
        assert getattr(headers, attribute) == getattr(FULL, attribute)


def test_the_names_are_those_of_cloudevents() -> None:
    assert dict(to_headers(FULL)) == {
        "ce_specversion": b"1.0",
        "ce_type": b"office.notes.TakeNote",
        "ce_source": b"office",
        "ce_dataschema": b"urn:avro:office.notes.TakeNote:" + CONTRACT.fingerprint.encode(),
        "ce_id": b"id-1",
        "ce_time": b"2026-11-22T19:00:00.500000Z",
        "ce_correlationid": b"first",
        "ce_causationid": b"parent",
        "ce_actor": "jürgen".encode(),
        "ce_scopes": b"notes:write notes:read",
        "ce_deadline": b"2026-11-22T19:00:00.500000Z",
        "ce_ttl": b"30000",
        "ce_replypartition": b"7",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


def test_a_message_that_starts_its_flow_carries_five_headers() -> None:
    headers = HeaderTemplate(CONTRACT, "office").headers("id-1", correlation_id="id-1")
    assert sorted(dict(headers)) == ["ce_dataschema", "ce_id", "ce_source", "ce_specversion", "ce_type"]
    assert Headers(headers).correlation_id == "id-1"


def test_a_template_writes_what_the_envelope_says() -> None:
    options = {name: getattr(FULL, name) for name in FULL.__struct_fields__[4:-1]}
    written = HeaderTemplate(CONTRACT, "office").headers("id-1", **options)
    assert dict(written) == {name: value for name, value in to_headers(FULL) if name != "ce_time"}


def test_a_template_of_one_sender_writes_it_into_every_message() -> None:
    template = HeaderTemplate(CONTRACT, "office", actor="till", scopes=["notes:write"])
    headers = Headers(template.headers("id-1"))
    assert (headers.actor, headers.scopes) == ("till", ("notes:write",))


@pytest.mark.parametrize("envelope", [FULL, Envelope(id="i", type="a.B", source="s", dataschema="urn:x")])
def test_the_cloudevents_sdk_parses_them(envelope: Envelope) -> None:
    event = from_binary(KafkaMessage(dict(to_headers(envelope)), b"n1", b"\x00\x00\x00\x00\x07\xff"), JSONFormat())
    assert event.get_id() == envelope.id
    assert event.get_type() == envelope.type
    assert event.get_source() == envelope.source
    assert event.get_dataschema() == envelope.dataschema
    assert envelope.time in (None, event.get_time())  # the SDK makes up a time where there is none
    assert event.get_extension("actor") == envelope.actor
    assert event.get_extension("causationid") == envelope.causation_id
    assert event.get_data() == b"\x00\x00\x00\x00\x07\xff"


def test_a_record_without_headers_says_nothing() -> None:
    for headers in (Headers(None), Headers([])):
        assert headers.id is headers.type is headers.correlation_id is headers.actor is None
        assert (headers.deadline, headers.reply_partition, headers.scopes) == (None, None, ())


def test_the_last_of_two_headers_counts() -> None:
    assert Headers([("ce_actor", b"a"), ("ce_actor", b"b")]).actor == "b"


@pytest.mark.parametrize(
    ("name", "value", "attribute"),
    [
        ("ce_id", b"\xff", "id"),
        ("ce_deadline", b"tomorrow", "deadline"),
        ("ce_deadline", b"2026-11-22T19:00:00", "deadline"),
        ("ce_ttl", b"1.5", "ttl"),
        ("ce_ttl", b"1" * 14, "ttl"),
        ("ce_replypartition", b"-1", "reply_partition"),
        ("ce_replypartition", "\u0663".encode(), "reply_partition"),
    ],
)
def test_a_header_that_cannot_be_read_is_poison_only_for_who_asks(name: str, value: bytes, attribute: str) -> None:
    headers = Headers([("ce_type", b"a.B"), (name, value)])
    assert headers.type == "a.B"
    with pytest.raises(UndecodableError, match=name):
        getattr(headers, attribute)


@pytest.mark.parametrize(
    ("name", "attribute", "longest"),
    [
        ("ce_id", "id", 208),
        ("ce_id", "command_id", 200),
        ("ce_correlationid", "correlation_id", 208),
        ("ce_causationid", "causation_id", 208),
        ("ce_type", "type", 249),
        ("ce_actor", "actor", 255),
        ("ce_scopes", "scopes", 16_384),
        ("vw_undertaking", "undertaking", 8_192),
    ],
)
def test_what_others_inherit_is_no_longer_than_we_write_it(name: str, attribute: str, longest: int) -> None:
    """A header as large as a record may have would be in every record that follows from it, with more beside it."""
    assert getattr(Headers([(name, b"x" * longest)]), attribute)
    with pytest.raises(UndecodableError, match=rf"header {name} is {longest + 1} .* {longest} are read at most"):
        getattr(Headers([(name, b"x" * (longest + 1))]), attribute)


def test_a_receiver_has_room_for_what_it_names_after_a_command() -> None:
    longest = "x" * MAX_ID
    for derived in (f"{longest}:outcome", f"{longest}:{MAX_EVENTS - 1}"):
        assert Headers([("ce_id", derived.encode())]).id == derived


@pytest.mark.parametrize("text", [b"\xff", b"x" * 32_000, b"", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"])
def test_a_trace_that_is_none_is_left_out(text: bytes) -> None:
    """W3C Trace Context, section 3.2: it is no reason to refuse what it came with."""
    assert Headers([("traceparent", text)]).traceparent is None


def test_a_command_expires_at_the_earlier_of_ttl_and_deadline() -> None:
    at = int(DEADLINE.timestamp() * 1000)
    template = HeaderTemplate(CONTRACT, "office")
    assert Headers(template.headers("i")).expiry(at) is None
    assert Headers(template.headers("i", ttl=0)).expiry(at) == at
    assert Headers(template.headers("i", ttl=1500)).expiry(at) == at + 1500
    assert Headers(template.headers("i", deadline=DEADLINE)).expiry(at - 7) == at
    assert Headers(template.headers("i", ttl=5, deadline=DEADLINE)).expiry(at - 7) == at - 2
    assert Headers(template.headers("i", ttl=9, deadline=DEADLINE)).expiry(at - 7) == at


def test_too_many_or_too_long_headers_are_refused() -> None:
    with pytest.raises(UndecodableError, match="65 headers"):
        _ = Headers([("x", b"")] * 65).id
    with pytest.raises(UndecodableError, match="32769 bytes"):
        _ = Headers([("x", b"1" * 32_768)]).id


def test_a_deadline_without_a_time_zone_is_refused_on_writing() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        HeaderTemplate(CONTRACT, "office").headers("i", deadline=datetime(2026, 1, 1))


@given(st.lists(st.tuples(st.sampled_from(["ce_id", "ce_deadline", "ce_scopes", "ce_time"]), st.none() | st.binary())))
def test_whatever_bytes_come_only_undecodable_is_raised(raw: list[tuple[str, bytes | None]]) -> None:
    headers = Headers(raw)
    for attribute in FULL.__struct_fields__:
        try:
            getattr(headers, attribute)
        except UndecodableError:
            continue
