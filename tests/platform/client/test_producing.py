"""The client: what arrives, what is refused, and that no failure is silent."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient

from tests.kit.cluster import Cluster, eventually, limit_records, records
from tests.kit.notes import CATALOG, COMMAND, EVENT, NAMESPACE, ROW
from tests.kit.samples.office.notes import NoteTaken, TakeNote
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.client.producing.ack import Ack, Position
from verbwire.client.producing.producer import Producer
from verbwire.contracts.schema.model import Catalog
from verbwire.deploy.deployment import deploy
from verbwire.deploy.target import Target
from verbwire.errors import (
    ClosedError,
    ConfigurationError,
    ContractError,
    DeliveryError,
    UnavailableError,
    UnencodableError,
    UnkeyableError,
    WrongVerbError,
)
from verbwire.names import Names
from verbwire.principal import Principal
from verbwire.wire.avro.messages import Reader
from verbwire.wire.headers import Headers
from verbwire.wire.partitioner import partition_of

pytestmark = pytest.mark.kafka

PARTITIONS = 3
TOO_LARGE = msgspec.structs.replace(COMMAND, words=os.urandom(10_000).hex())  # for small_records(), compressed too


@pytest.fixture
def connection(cluster: Cluster, unique: str) -> Connection:
    names = Names("office", unique)
    deploy(Target(cluster.bootstrap, cluster.registry_url, names, partitions=PARTITIONS), CATALOG, [])
    return Connection(cluster.bootstrap, cluster.registry_url, names, CATALOG)


def small_records(connection: Connection) -> str:
    """Let the broker refuse what the producer takes, and return the topic of which this is true."""
    topic = connection.names.commands(NAMESPACE)
    limit_records(connection.bootstrap, topic, 10_000)
    return topic


def test_an_event_arrives_with_key_partition_value_and_headers(connection: Connection) -> None:
    principal = Principal("till-7", ("notes:write", "notes:read"))
    with Client(replace(connection, principal=principal)) as client:
        position = client.publish(EVENT, id="e-1", correlation_id="first", causation_id="parent").result(10)
    topic = connection.names.events(NAMESPACE)
    (record,) = records(connection.bootstrap, topic, 1)
    assert position == Position(topic, partition_of(b"n1", PARTITIONS), 0)
    assert (record.topic(), record.partition(), record.offset()) == position
    assert record.key() == b"n1"
    contract = CATALOG.of(EVENT)
    value = record.value()
    assert value is not None
    assert Reader(contract, NoteTaken, contract.schema)(value) == EVENT
    headers = Headers(record.headers())
    assert (headers.id, headers.type, headers.source) == ("e-1", "office.notes.NoteTaken", "office")
    assert (headers.correlation_id, headers.causation_id) == ("first", "parent")
    assert headers.principal == principal
    assert headers.dataschema == f"urn:avro:office.notes.NoteTaken:{contract.fingerprint}"


def test_a_command_goes_to_its_one_receiver(connection: Connection) -> None:
    with Client(connection) as client:
        ack = client.send(COMMAND)
    (record,) = records(connection.bootstrap, connection.names.commands(NAMESPACE), 1)
    assert Headers(record.headers()).id == ack.id
    assert ack.result(0).topic == record.topic()


def test_ids_are_given_by_the_caller_or_new(connection: Connection) -> None:
    with Client(connection) as client, Client(connection) as another:
        ids = [each.send(COMMAND).id for each in (client, another) for _ in range(100)]
        assert len(set(ids)) == 200
        longest = "~" * 200
        assert client.send(COMMAND, id=longest).id == longest
        for wrong in ("", " ", "a b", "a\n", "ü", "~" * 201):
            with pytest.raises(UnencodableError, match="1 to 200 printable ASCII characters"):
                client.send(COMMAND, id=wrong)


def test_order_per_key_is_the_order_of_the_calls(connection: Connection) -> None:
    with Client(connection) as client:
        for number in range(5_000):
            client.send(msgspec.structs.replace(COMMAND, note_id=f"n{number % 7}", priority=number))
    contract = CATALOG.of(COMMAND)
    read = Reader(contract, TakeNote, contract.schema)
    seen: dict[bytes, list[int]] = {}
    for record in records(connection.bootstrap, connection.names.commands(NAMESPACE), 5_000):
        note = read(record.value() or b"")
        assert isinstance(note, TakeNote)
        seen.setdefault(record.key() or b"", []).append(note.priority)
    assert sum(map(len, seen.values())) == 5_000
    assert all(numbers == sorted(numbers) for numbers in seen.values())


def test_the_wrong_verb_is_refused_at_run_time(connection: Connection) -> None:
    with Client(connection) as client:
        with pytest.raises(WrongVerbError, match="TakeNote is of kind command: it is sent, not published"):
            client.publish(COMMAND)  # type: ignore[arg-type]  # the point of this test
        with pytest.raises(WrongVerbError, match="NoteTaken is of kind event: it is published, not sent"):
            client.send(EVENT)  # type: ignore[arg-type]  # the point of this test
        with pytest.raises(WrongVerbError, match="NotesPerDay is of kind row"):
            client.publish(ROW)  # type: ignore[arg-type]  # the point of this test
        with pytest.raises(WrongVerbError, match="dict is no message"):
            client.publish({"note_id": "n1"})  # type: ignore[arg-type]  # the point of this test
        client.send(COMMAND)  # that a class was refused once does not stick to it


def test_the_wrong_verb_is_refused_by_the_type_checker(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        textwrap.dedent(
            """
            from tests.kit.samples.office.notes import NoteTaken, TakeNote
            from verbwire.client.client import Client

            def wrong(client: Client, command: TakeNote, event: NoteTaken) -> None:
                client.publish(event)
                client.send(command)
                client.publish(command)
                client.send(event)

            async def right(client: Client, command: TakeNote) -> int:
                return (await client.send(command)).offset
            """
        )
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), str(tmp_path / "wrong.py")]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    errors = [line.partition("wrong.py:")[2] for line in run.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 2, run.stdout
    assert errors[0].startswith('8: error: Argument 1 to "publish"')
    assert errors[1].startswith('9: error: Argument 1 to "send"')


def test_an_unencodable_message_is_raised_at_the_call(connection: Connection) -> None:
    with Client(connection) as client:
        with pytest.raises(UnkeyableError, match="note_id"):
            client.send(msgspec.structs.replace(COMMAND, note_id=""))
        with pytest.raises(UnencodableError, match="priority"):
            client.send(msgspec.structs.replace(COMMAND, priority=2**31))
        with pytest.raises(UnencodableError, match="larger than a record may be"):
            client.send(msgspec.structs.replace(COMMAND, words="x" * 2_000_000))


def test_a_topic_that_was_not_deployed_is_refused_at_the_call(connection: Connection) -> None:
    names = replace(connection.names, prefix=connection.names.prefix + "x")
    with Client(replace(connection, names=names)) as client, pytest.raises(ContractError, match="verbwire deploy"):
        client.send(COMMAND)
    topics = AdminClient({"bootstrap.servers": connection.bootstrap}).list_topics(timeout=10).topics
    assert names.commands(NAMESPACE) not in topics


def test_a_class_that_belongs_to_no_contract_here_is_refused(connection: Connection) -> None:
    with Client(replace(connection, catalog=Catalog())) as client, pytest.raises(ContractError, match="no contract"):
        client.send(COMMAND)


@pytest.mark.parametrize("lost", ["bootstrap", "registry"])
def test_without_broker_or_registry_the_first_call_says_unavailable(connection: Connection, lost: str) -> None:
    address = "127.0.0.1:1" if lost == "bootstrap" else "http://127.0.0.1:1"
    unreachable = replace(connection, kafka={"log_level": 0}, delivery_seconds=1.0)
    unreachable = (
        replace(unreachable, bootstrap=address) if lost == "bootstrap" else replace(unreachable, registry=address)
    )
    with Client(unreachable) as client, pytest.raises(UnavailableError, match="cannot be reached"):
        client.send(COMMAND)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no\.such\.property"):
        Client(Connection("127.0.0.1:1", "http://127.0.0.1:1", Names("office"), CATALOG, kafka={"no.such.property": 1}))
    with pytest.raises(ConfigurationError, match="VERBWIRE_SCOPES"):
        Connection("127.0.0.1:1", "http://127.0.0.1:1", Names("office"), CATALOG, Principal("ann", ("notes: write",)))


def test_acknowledgements_can_be_awaited_from_any_loop(connection: Connection) -> None:
    async def send(client: Client) -> tuple[Position, list[Position]]:
        first = await client.send(COMMAND)
        return first, await asyncio.gather(*(_position(client.send(COMMAND)) for _ in range(100)))

    async def _position(ack: Ack) -> Position:
        return await ack

    with Client(connection) as client:
        for _ in range(2):
            first, rest = asyncio.run(send(client))
            assert [each.offset for each in rest] == [first.offset + 1 + n for n in range(100)]


def test_acknowledgements_of_an_abandoned_loop_or_waiter_do_no_harm(connection: Connection) -> None:
    slow = replace(connection, kafka={"linger.ms": 300})

    async def give_up(client: Client) -> Ack:
        ack = client.send(COMMAND)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_wait(ack), 0.01)
        return ack

    async def _wait(ack: Ack) -> Position:
        return await ack

    with Client(slow) as client:
        ack = asyncio.run(give_up(client))
        assert not ack.done()
        with pytest.raises(DeliveryError, match="still tried"):
            ack.result(0.01)
        assert ack.result(10).offset == 0
        assert client.send(COMMAND).result(10).offset == 1  # the thread of the reports is alive


def test_many_threads_may_use_one_client(connection: Connection) -> None:
    acks: list[Ack] = []
    with Client(connection) as client:
        threads = [
            threading.Thread(target=lambda: acks.extend([client.send(COMMAND) for _ in range(500)])) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {ack.result(0).offset for ack in acks} == set(range(4_000))


def test_a_failure_is_raised_where_its_ack_is_looked_at_and_only_there(connection: Connection) -> None:
    topic = small_records(connection)
    with Client(connection) as client:
        with pytest.raises(DeliveryError, match=f"{topic}: .*larger"):
            client.send(TOO_LARGE).result(10)
        ack = client.send(TOO_LARGE)
        with pytest.raises(DeliveryError, match="larger"):
            asyncio.run(_awaited(ack))
        with pytest.raises(DeliveryError, match="larger"):
            ack.result(0)
        client.flush()


async def _awaited(ack: Ack) -> Position:
    return await ack


def test_a_failure_that_nobody_looked_at_is_raised_by_flush_once(connection: Connection) -> None:
    small_records(connection)
    with Client(connection) as client:
        client.send(COMMAND).result(10)
        client.send(TOO_LARGE)
        client.send(TOO_LARGE)
        with pytest.raises(DeliveryError, match=r"2 message\(s\) were not delivered; the first: .*larger"):
            client.flush()
        client.flush()


def test_a_failure_that_nobody_looked_at_is_raised_by_close_and_by_the_with(connection: Connection) -> None:
    small_records(connection)
    client = Client(connection)
    client.send(TOO_LARGE)
    with pytest.raises(DeliveryError, match="1 message"):
        client.close()
    client.close()
    with pytest.raises(DeliveryError, match="1 message"), Client(connection) as client:
        client.send(TOO_LARGE)


def test_a_topic_that_vanished_is_a_failed_delivery(connection: Connection) -> None:
    admin, topic = AdminClient({"bootstrap.servers": connection.bootstrap}), connection.names.commands(NAMESPACE)
    with Client(replace(connection, delivery_seconds=2.0)) as client:
        client.send(COMMAND).result(10)
        admin.delete_topics([topic])[topic].result()
        eventually(lambda: topic not in admin.list_topics(timeout=10).topics)
        with pytest.raises(DeliveryError, match=topic):
            client.send(COMMAND).result(10)
    assert topic not in admin.list_topics(timeout=10).topics


def test_flush_and_close_say_what_is_left(connection: Connection) -> None:
    producer = Producer(replace(connection, bootstrap="127.0.0.1:1", kafka={"log_level": 0}))
    ack = producer.produce("topic", b"key", b"value", [], "id-1")
    with pytest.raises(DeliveryError, match=r"1 message\(s\) are not acknowledged yet"):
        producer.flush(0.1)
    assert not ack.done()
    with pytest.raises(DeliveryError, match=r"1 message\(s\) are not acknowledged yet"):
        producer.close(0.1)
    with pytest.raises(DeliveryError, match="same id"):
        ack.result(0)


def test_reports_are_served_by_who_produces_also_while_another_thread_closes(connection: Connection) -> None:
    producer = Producer(connection)
    producer.close()
    producer._serve_here()  # its record was taken just before


def test_a_delivery_that_is_not_acknowledged_in_time_fails(connection: Connection) -> None:
    producer = Producer(replace(connection, bootstrap="127.0.0.1:1", kafka={"log_level": 0}, delivery_seconds=0.3))
    with pytest.raises(DeliveryError, match=r"did not acknowledge in time; .* same id"):
        producer.produce("topic", b"key", b"value", [], "id-1").result(10)
    producer.close()


def test_a_full_queue_blocks_the_caller_until_there_is_room(connection: Connection) -> None:
    small = replace(connection, queue_messages=10, kafka={"linger.ms": 200})
    with Client(small) as client:
        client.send(COMMAND).result(10)
        started = time.monotonic()
        acks = [client.send(COMMAND) for _ in range(51)]
        waited = time.monotonic() - started
    assert 0.7 < waited < 20  # at least four times a full queue lingered
    assert [ack.result(0).offset for ack in acks] == list(range(1, 52))


def test_a_closed_client_takes_nothing(connection: Connection) -> None:
    client = Client(connection)
    ack = client.send(COMMAND)
    client.close()
    assert ack.done()
    client.close()
    with pytest.raises(ClosedError, match="make a new one"):
        client.send(COMMAND)
    with pytest.raises(ClosedError):
        client.flush()


def test_a_client_that_was_forgotten_warns_and_leaves_no_thread(connection: Connection) -> None:
    client = Client(connection)
    client.send(COMMAND).result(10)
    kept = [client]
    del client
    with pytest.warns(ResourceWarning, match="a Client was not closed"):
        kept.clear()
    eventually(lambda: not [each for each in threading.enumerate() if each.name == "verbwire-delivery-reports"])


def test_a_forked_child_is_refused_and_does_no_harm(connection: Connection) -> None:
    with Client(connection) as client:
        client.send(COMMAND).result(10)
        child = os.fork()
        if not child:
            try:
                client.send(COMMAND)
            except ClosedError as error:
                client.close()
                os._exit(7 if "make one in the child" in str(error) else 1)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert client.send(COMMAND).result(10).offset == 1
