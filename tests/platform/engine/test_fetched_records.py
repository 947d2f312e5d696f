"""Fetched records: the compiled reader of batches says what aiokafka's own says, record by record."""

from __future__ import annotations

import random
from typing import Any

import aiokafka.consumer.fetcher as fetcher
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord, TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.both_codecs import spoilt
from verbwire.engine.faust import fetched_records
from verbwire.engine.faust.fetched_records import FetchedBatches, FetchedRecord, use_fetched_records
from verbwire.errors import UndecodableError
from verbwire.wire.headers import MAX_HEADER_BYTES, MAX_HEADERS, Headers

pytestmark = pytest.mark.skipif(
    not fetched_records.AVAILABLE, reason="no C compiler has built the compiled reader here"
)

HEAD = 61  # bytes of a batch before its records
ATTRIBUTES = 22  # where its second byte of attributes is
PLACE = TopicPartition("t", 3)
FIELDS = ConsumerRecord.__dataclass_fields__

names = st.text(max_size=6) | st.sampled_from(["ce_id", "ce_type", "\u00fc"])
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=9)), max_size=4)
maybe = st.none() | st.binary(max_size=9) | st.sampled_from([b"x" * 63, b"x" * 64, b"x" * 200])
records = st.lists(st.tuples(st.integers(0, 2**40), maybe, maybe, headers), max_size=6)


def batch(given_records: list[Any], compression: int, offset: int = 0, stamped: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, 0, 1_000_000)
    for number, (timestamp, key, value, its_headers) in enumerate(given_records):
        builder.append(offset + number, timestamp=timestamp, key=key, value=value, headers=its_headers)
    made = bytearray(builder.build())
    made[ATTRIBUTES] |= 8 if stamped else 0
    return bytes(made)


def read(value: bytes, ours: bool, offset: int = 0) -> tuple[list[tuple[Any, ...]], str]:
    """What a fetch with these bytes gives, field by field, and how it ends."""
    use_fetched_records()
    known = fetcher.MemoryRecords, fetcher.ConsumerRecord, PartitionRecords._consumer_record
    if not ours:
        fetcher.MemoryRecords, fetcher.ConsumerRecord = MemoryRecords, ConsumerRecord
        PartitionRecords._consumer_record = fetched_records._of_aiokafka
    found = []
    try:
        batches = fetcher.MemoryRecords(value)
        for record in PartitionRecords(PLACE, batches, [], offset, None, None, False, READ_COMMITTED):
            found.append(tuple(getattr(record, name) for name in FIELDS))
    except (CorruptRecordException, UnicodeDecodeError) as error:
        return found, type(error).__name__
    finally:
        fetcher.MemoryRecords, fetcher.ConsumerRecord, PartitionRecords._consumer_record = known
    return found, ""


@settings(max_examples=200, deadline=None)
@given(records, st.sampled_from([0, 1, 3, 4]), st.booleans(), st.integers(0, 2**40), st.integers(0, 3))
def test_fetched_records_are_those_of_aiokafka(
    given_records: list[Any], compression: int, stamped: bool, offset: int, skipped: int
) -> None:
    value = batch(given_records, compression, 0, stamped) * 2
    assert read(value, True, skipped) == read(value, False, skipped)
    assert len(read(value, True)[0]) == len(given_records)
    assert offset >= 0


@settings(max_examples=300, deadline=None)
@given(records.filter(bool), st.randoms(use_true_random=False))
def test_fetched_records_are_whole_or_the_batch_is_damaged(given_records: list[Any], chance: random.Random) -> None:
    """Where aiokafka sees damage, so do we, at the same record; in a few forms of it we see more."""
    whole = batch(given_records, 0)
    for _ in range(5):
        value = whole[:HEAD] + spoilt(chance, b"....." + whole[HEAD:])[5:]
        value = value[:8] + (len(value) - 12).to_bytes(4, "big") + value[12:]
        theirs, ours = read(value, False), read(value, True)
        if ours[1]:
            assert ours[0] == theirs[0][: len(ours[0])]
        else:
            assert ours == theirs


def test_fetched_records_of_older_formats_are_left_to_aiokafka() -> None:
    from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

    builder = LegacyRecordBatchBuilder(1, 0, 10_000)
    builder.append(0, timestamp=5, key=b"k", value=b"v")
    value = bytes(builder.build())
    assert read(value, True) == read(value, False)
    assert read(value, True)[0][0][:6] == ("t", 3, 0, 5, 0, b"k")


def test_fetched_records_read_their_headers_once_and_keep_them() -> None:
    use_fetched_records()
    (record,) = FetchedBatches(batch([(5, b"k", b"v", [("a", b"1"), ("a", None)])], 3)).next_batch()
    assert record.headers == (("a", b"1"), ("a", None))
    assert record.headers is record.headers
    assert not isinstance(record, FetchedRecord)


def seen(headers: Headers) -> tuple[Any, str]:
    """What is read of headers, or why nothing is."""
    try:
        return {name: headers.text(name) for name in ("ce_id", "ce_type", "a", "\u00fc")}, ""
    except UndecodableError as error:
        return None, str(error)


@settings(max_examples=200, deadline=None)
@given(headers, st.sampled_from([0, MAX_HEADERS - 1, MAX_HEADERS + 1]), st.sampled_from([0, MAX_HEADER_BYTES - 40]))
def test_fetched_records_give_their_headers_in_one_step_as_one_by_one(
    given_headers: list[Any], more: int, large: int
) -> None:
    every = [("a", b"1")] * more + [("ce_type", b"x" * large)] * bool(large) + given_headers
    use_fetched_records()
    (record,) = FetchedBatches(batch([(5, b"k", b"v", every)], 0)).next_batch()
    assert seen(Headers.of(record)) == seen(Headers(record.headers))
