"""More strangers at once than there are descriptors: the process keeps its own, and its log stays readable."""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.kit.cluster import eventually
from tests.platform.http.operations.test_health import bare_app
from verbwire.http.base.limits import ConnectionLimits
from verbwire.http.serving.server import HttpServer

PLACES = 10
STRANGERS = """
import socket, sys
host, port, many = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()
held = [socket.create_connection((host, port)) for _ in range(many)]
print("connected", flush=True)
sys.stdin.read()
"""


@contextmanager
def strangers(address: tuple[str, int], many: int) -> Iterator[Callable[[], None]]:
    """Another process; it makes so many connections when it is told to, and says nothing on them."""
    command = [sys.executable, "-c", STRANGERS, address[0], str(address[1]), str(many)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def connect() -> None:
            print(file=process.stdin, flush=True)
            assert process.stdout
            assert process.stdout.readline() == "connected\n"

        try:
            yield connect
        finally:
            process.kill()


@contextmanager
def files_left(number: int) -> Iterator[None]:
    """Let this process open so many files, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(each) for each in os.listdir("/proc/self/fd")}
    free = (each for each in itertools.count() if each not in taken)  # the limit is one of numbers, not of how many
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, number, None)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_alive(address: tuple[str, int]) -> bool:
    url = f"http://{address[0]}:{address[1]}/health/live"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bool(answer.status == 200)


pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="descriptors are counted in /proc")


def test_a_burst_of_connections_takes_no_more_descriptors_than_its_places(caplog: pytest.LogCaptureFixture) -> None:
    server = HttpServer(bare_app(), limits=ConnectionLimits(connections=PLACES))
    address = server.start()
    try:
        with strangers(address, 400) as connect, files_left(90):
            connect()
            assert is_alive(address)
    finally:
        server.stop(timeout=1)
    assert "no connection can be accepted" not in caplog.text


def test_no_descriptor_for_a_connection_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    server = HttpServer(bare_app())
    address = server.start()
    try:
        with strangers(address, 200) as connect:
            with files_left(20):
                connect()
                eventually(lambda: "no connection can be accepted" in caplog.text)
            assert is_alive(address), "it goes on by itself"
    finally:
        server.stop(timeout=1)
    told = [each.getMessage() for each in caplog.records if "Too many open files" in each.getMessage()]
    assert len(told) == 1, told[:3]
    assert "socket.accept() out of system resource" not in caplog.text
