"""Other clients agree with us: Confluent's deserializer, Java's console tools, the CloudEvents SDK."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.kit.cluster import Cluster, records
from tests.kit.notes import CATALOG, COMMAND, EVENT, NAMESPACE
from tests.kit.samples.office.notes import NoteTaken, TakeNote
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.deploy.deployment import deploy
from verbwire.deploy.target import Target
from verbwire.embedded.java import java_command
from verbwire.names import Names
from verbwire.wire.codec.topics import Codec
from verbwire.wire.keys import key_bytes
from verbwire.wire.partitioner import partition_of
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

PARTITIONS = 7
KEYS = [
    *(str(number) for number in range(536365, 536465)),
    *("a", "ab", "abc", "abcd", "abcde", " ", "Zwölf Boxkämpfer", "日本語のキー", "\U0001f375\U0001f375", "-7", "0"),
    *("12345678-1234-5678-1234-567812345678", "x" * 200, "a,b", 'quoted "key"', "ß" * 33, "\x7f", "\u0430" * 9),
]


@pytest.fixture
def connection(cluster: Cluster, unique: str) -> Connection:
    names = Names("office", unique)
    deploy(Target(cluster.bootstrap, cluster.registry_url, names, partitions=PARTITIONS), CATALOG, [])
    return Connection(cluster.bootstrap, cluster.registry_url, names, CATALOG)


@pytest.fixture
def foreign_registry(cluster: Cluster) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": cluster.registry_url}) as registry:
        yield registry


def java(tool: str, *args: str, stdin: bytes = b"") -> bytes:
    command = java_command(f"org.apache.kafka.tools.{tool}", *args, options=["-Dfile.encoding=UTF-8"])
    run = subprocess.run(command, input=stdin, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


@pytest.mark.parametrize("message", [EVENT, COMMAND])
def test_confluents_deserializer_reads_our_records(
    connection: Connection, foreign_registry: SchemaRegistryClient, message: NoteTaken | TakeNote
) -> None:
    with Client(connection) as client:
        ack = client.publish(message) if isinstance(message, NoteTaken) else client.send(message)
    topic = ack.result(0).topic
    (record,) = records(connection.bootstrap, topic, 1)
    read = AvroDeserializer(foreign_registry)(record.value(), SerializationContext(topic, MessageField.VALUE))
    assert msgspec.convert(read, type(message)) == message


def test_we_read_what_confluents_serializer_writes(
    connection: Connection, foreign_registry: SchemaRegistryClient
) -> None:
    contract, topic = CATALOG.of(COMMAND), connection.names.commands(NAMESPACE)
    conf: dict[str, Any] = {
        "auto.register.schemas": False,
        "subject.name.strategy": lambda _context, record: connection.names.subject(record),
    }
    write = AvroSerializer(foreign_registry, contract.text, conf=conf)
    value = write(msgspec.structs.asdict(COMMAND), SerializationContext(topic, MessageField.VALUE))
    codec = Codec(CATALOG, Registry(connection.registry), connection.names)
    decoder = codec.topic_decoder(topic, NAMESPACE, {contract.name: TakeNote})
    assert decoder.decode(value) == COMMAND
    assert codec.encoder(contract)(COMMAND) == value


def test_javas_console_consumer_reads_key_partition_value_and_headers(connection: Connection) -> None:
    note = msgspec.structs.replace(COMMAND, note_id="Zwölf")
    with Client(connection) as client:
        position = client.send(note, id="n-1", correlation_id="first").result(10)
    printed = java(
        "consumer.ConsoleConsumer",
        *("--bootstrap-server", connection.bootstrap, "--topic", position.topic),
        *("--from-beginning", "--max-messages", "1", "--timeout-ms", "30000"),
        *(f"--formatter-property=print.{each}=true" for each in ("key", "partition", "offset", "headers")),
        "--formatter-property=key.separator=|",
    )
    place, offset, headers, key, value = printed.split(b"|", 4)
    assert place == b"Partition:%d" % position.partition
    assert offset == b"Offset:0"
    assert key.decode() == "Zwölf"
    contract = CATALOG.of(COMMAND)
    assert dict(each.split(":", 1) for each in headers.decode().split(",")) == {
        "ce_specversion": "1.0",
        "ce_type": "office.notes.TakeNote",
        "ce_source": "office",
        "ce_dataschema": f"urn:avro:office.notes.TakeNote:{contract.fingerprint}",
        "ce_id": "n-1",
        "ce_correlationid": "first",
    }
    assert b"buy tea" in value


def test_keys_and_partitions_are_those_of_a_java_producer(connection: Connection) -> None:
    ours, theirs = connection.names.commands(NAMESPACE), connection.names.outcomes(NAMESPACE)
    with Client(connection) as client:
        for key in KEYS:
            client.send(msgspec.structs.replace(COMMAND, note_id=key))
    java(
        "ConsoleProducer",
        *("--bootstrap-server", connection.bootstrap, "--topic", theirs),
        *("--reader-property", "parse.key=true", "--reader-property", "key.separator=\t"),
        stdin="".join(f"{key}\tv\n" for key in KEYS).encode(),
    )
    placed = [
        {record.key() or b"": record.partition() for record in records(connection.bootstrap, topic, len(KEYS))}
        for topic in (ours, theirs)
    ]
    assert placed[0] == placed[1]
    assert placed[0] == {key_bytes(key): partition_of(key_bytes(key), PARTITIONS) for key in KEYS}
    assert len(set(placed[0].values())) == PARTITIONS


def test_the_cloudevents_sdk_parses_a_record(connection: Connection) -> None:
    with Client(connection) as client:
        topic = client.publish(EVENT, id="e-1", causation_id="parent").result(10).topic
    (record,) = records(connection.bootstrap, topic, 1)
    event = from_binary(KafkaMessage(dict(record.headers() or []), record.key(), record.value() or b""), JSONFormat())
    assert (event.get_id(), event.get_type(), event.get_source()) == ("e-1", "office.notes.NoteTaken", "office")
    assert event.get_extension("causationid") == "parent"
    assert event.get_extension("partitionkey") == "n1"
    assert event.get_data() == record.value()
