"""How a machine names itself to others, and where a development secret may not go."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from verbwire.errors import ConfigurationError
from verbwire.secrets import http_secret
from verbwire.security.hosts import are_loopback, is_loopback, own_host
from verbwire.settings import Settings
from verbwire.worker.public_address import url_of

EVERY = "0.0.0.0"  # noqa: S104 (named, not bound)
SECRET = "a-secret-of-thirty-two-bytes-and-more"


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("localhost", True), ("LOCALHOST.", True), ("w.localhost", False), ("127.9.9.9", True), ("[::1]", True)),
        *(("localhost.example", False), ("10.0.0.1", False), (EVERY, False), ("", False), ("127.0.0.1.io", False)),
    ],
)
def test_hosts_that_are_on_this_machine(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_bootstrap_servers_are_own_only_if_all_are() -> None:
    assert are_loopback("localhost:9092, 127.0.0.1:9093,PLAINTEXT://[::1]:9094,localhost")
    for servers in ("localhost:9092,kafka:9092", "kafka", "", "[::1", "localhost:9092,"):
        assert not are_loopback(servers)


@pytest.mark.parametrize(
    ("full", "resolves", "told"),
    [
        ("streams-0.streams.shop.svc.cluster.local", True, "streams-0.streams.shop.svc.cluster.local"),
        ("streams-0.nowhere", False, "streams-0"),
        ("streams-0", True, "streams-0"),
        ("localhost.localdomain", True, "streams-0"),
        ("1.0.0.127.in-addr.arpa", True, "streams-0"),
    ],
)
def test_a_worker_advertises_the_name_that_others_resolve(
    monkeypatch: pytest.MonkeyPatch, full: str, resolves: bool, told: str
) -> None:
    def lookup(name: str, *_: Any) -> list[Any]:
        if not resolves:
            raise socket.gaierror(name)
        return []

    monkeypatch.setattr(socket, "gethostname", lambda: "streams-0")
    monkeypatch.setattr(socket, "getfqdn", lambda: full)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert own_host() == told
    assert url_of(Settings(http_host=EVERY), 8700) == f"http://{told}:8700"
    assert url_of(Settings(http_host="127.0.0.1"), 8700) == "http://127.0.0.1:8700"
    assert url_of(Settings(http_host="::1"), 8700) == "http://[::1]:8700"
    assert url_of(Settings(http_host=EVERY, http_advertised_url="https://shop/w1/"), 1) == "https://shop/w1"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bootstrap": "kafka:9092"}, "Kafka at kafka:9092 is on another machine"),
        ({"http_host": EVERY}, "HTTP on 0.0.0.0 is reached from other machines"),
        ({"http_host": ""}, "HTTP on every address"),
    ],
)
def test_a_development_secret_serves_this_machine_unless_said_twice(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        http_secret(Settings(**settings, http_secret=SECRET))
    assert "VERBWIRE_HTTP_DEVELOPMENT" in str(refused.value)
    assert SECRET not in str(refused.value)
    assert http_secret(Settings(**settings, http_secret=SECRET, http_development="anywhere")) == SECRET
