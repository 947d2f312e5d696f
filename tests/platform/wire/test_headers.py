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
from verbwire.errors import ConfigurationError, UndecodableError, UnencodableError
from verbwire.principal import NOBODY, Principal
from verbwire.wire.headers import (
    MAX_ACTOR,
    MAX_DERIVED_ID,
    MAX_ID,
    MAX_SCOPES,
    Envelope,
    Headers,
    HeaderTemplate,
    RawHeaders,
    dataschema,
    require_flow,
    require_writable,
)

CONTRACT = CATALOG.of(COMMAND)
DEADLINE = datetime(2026, 11, 22, 19, 0, 0, 500_000, tzinfo=UTC)
FULL = Envelope(
    id="id-1",
    ttl=30_000,
    principal=Principal("jürgen", ("notes:write", "notes:read")),
    correlation_id="first",
    causation_id="parent",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
RETURNING = [each for each in FULL.__struct_fields__ if each != "later"]  # that one is a header as it stands
ATTRIBUTES = [*RETURNING, "type", "source", "dataschema", "deadline", "reply_partition", "time"]


def written(envelope: Envelope, reply_partition: int | None = None) -> RawHeaders:
    return HeaderTemplate(CONTRACT, "office").headers("id-1", envelope, reply_partition)


def deadline(moment: datetime) -> tuple[str, bytes]:
    """As a foreign producer writes it: ours give a command a time to live."""
    return "ce_deadline", moment.isoformat().encode()


def test_an_envelope_comes_back() -> None:
    headers = Headers(written(FULL, 7))
    for attribute in RETURNING:
        assert getattr(headers, attribute) == getattr(FULL, attribute)
    assert (headers.reply_partition, headers.dataschema) == (7, dataschema(CONTRACT))


def test_the_names_are_those_of_cloudevents() -> None:
    assert dict(written(FULL, 7)) == {
        "ce_specversion": b"1.0",
        "ce_type": b"office.notes.TakeNote",
        "ce_source": b"office",
        "ce_dataschema": b"urn:avro:office.notes.TakeNote:" + CONTRACT.fingerprint.encode(),
        "ce_id": b"id-1",
        "ce_correlationid": b"first",
        "ce_causationid": b"parent",
        "ce_actor": "jürgen".encode(),
        "ce_scopes": b"notes:read notes:write",
        "ce_ttl": b"30000",
        "ce_replypartition": b"7",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


def test_a_message_that_starts_its_flow_carries_five_headers() -> None:
    headers = written(Envelope(correlation_id="id-1", principal=NOBODY))
    assert sorted(dict(headers)) == ["ce_dataschema", "ce_id", "ce_source", "ce_specversion", "ce_type"]
    assert Headers(headers).correlation_id == "id-1"


def test_a_template_writes_its_own_principal_unless_the_envelope_names_another() -> None:
    till = Principal("till", ["notes:write"])
    template = HeaderTemplate(CONTRACT, "office", till)
    assert Headers(template.headers("id-1")).principal == till
    for other in (Principal("ann"), NOBODY):
        assert Headers(template.headers("id-1", Envelope(principal=other))).principal == other


@pytest.mark.parametrize("envelope", [FULL, Envelope()])
def test_the_cloudevents_sdk_parses_them(envelope: Envelope) -> None:
    event = from_binary(KafkaMessage(dict(written(envelope)), b"n1", b"\x00\x00\x00\x00\x07\xff"), JSONFormat())
    assert event.get_id() == "id-1"
    assert event.get_type() == CONTRACT.name
    assert event.get_source() == "office"
    assert event.get_dataschema() == dataschema(CONTRACT)
    assert event.get_extension("actor") == (envelope.principal.actor if envelope.principal else None)
    assert event.get_extension("causationid") == envelope.causation_id
    assert event.get_data() == b"\x00\x00\x00\x00\x07\xff"


def test_the_id_of_an_event_that_led_to_a_message_may_go_with_it_and_no_longer_one() -> None:
    longest = "x" * MAX_DERIVED_ID
    require_flow(Envelope(correlation_id=longest, causation_id=longest))
    for flow in (Envelope(correlation_id=longest + "x"), Envelope(causation_id=longest + "x")):
        with pytest.raises(UnencodableError, match="of another message: 208 characters are the most"):
            require_flow(flow)


def test_a_principal_has_as_many_letters_as_are_read() -> None:
    require_writable(Principal("a" * MAX_ACTOR, ("s" * MAX_SCOPES,)))
    for too_long in (Principal("a" * (MAX_ACTOR + 1)), Principal("", ("s" * MAX_SCOPES, "s"))):
        with pytest.raises(ConfigurationError, match=r"actor \(VERBWIRE_ACTOR\) may have 255 characters"):
            require_writable(too_long)


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
        ("vw_undertaking", "process_instance_key", 8_192),
    ],
)
def test_headers_that_others_inherit_are_bounded_as_they_are_read(name: str, attribute: str, longest: int) -> None:
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
    assert Headers(written(Envelope())).expiry(at) is None
    assert Headers(written(Envelope(ttl=0))).expiry(at) == at
    assert Headers(written(Envelope(ttl=1500))).expiry(at) == at + 1500
    assert Headers([deadline(DEADLINE)]).expiry(at - 7) == at
    assert Headers([*written(Envelope(ttl=5)), deadline(DEADLINE)]).expiry(at - 7) == at - 2
    assert Headers([*written(Envelope(ttl=9)), deadline(DEADLINE)]).expiry(at - 7) == at


def test_too_many_or_too_long_headers_are_refused() -> None:
    with pytest.raises(UndecodableError, match="65 headers"):
        _ = Headers([("x", b"")] * 65).id
    with pytest.raises(UndecodableError, match="32769 bytes"):
        _ = Headers([("x", b"1" * 32_768)]).id


@given(st.lists(st.tuples(st.sampled_from(["ce_id", "ce_deadline", "ce_scopes", "ce_time"]), st.none() | st.binary())))
def test_headers_of_any_bytes_raise_undecodable_at_most(raw: list[tuple[str, bytes | None]]) -> None:
    headers = Headers(raw)
    for attribute in ATTRIBUTES:
        try:
            getattr(headers, attribute)
        except UndecodableError:
            continue
