"""TLS on real sockets: certificates that are renewed, handshakes that never end, workers and clients that verify."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import cast

import httpx2 as httpx
import pytest

from tests.kit.certificates import Authority
from tests.kit.cluster import eventually
from tests.kit.http import CATALOG, SECRET, SHELVES, Http, ShelfRow, Table, problem, serving, shelf
from tests.kit.samples.town.market import GetStall
from tests.platform.http.forwarding.test_peers import WORKERS_SECRET, Known, number_in, path_of
from tests.platform.http.serving.test_connections import QUICK, STORIES, connections_of
from tests.platform.http.serving.test_limits import request
from verbwire.client.base.connection import Connection
from verbwire.client.base.positions import SeenPositions
from verbwire.client.querying.querier import Querier
from verbwire.discovery.directory import Directory
from verbwire.engine.state.partition_state import PartitionState
from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.http.access.peer_tokens import PeerTokens
from verbwire.http.base.limits import TLS_BUFFER, ConnectionLimits
from verbwire.http.forwarding.peers import Peers
from verbwire.http.serving import server
from verbwire.http.serving.certificate import Certificate
from verbwire.http.serving.connections import Stage
from verbwire.http.serving.tls_gate import TlsGate
from verbwire.names import Names
from verbwire.observability.metrics.registry import Metrics
from verbwire.security import tls
from verbwire.security.tls import Authorities
from verbwire.security.tokens import mint_token
from verbwire.settings import Settings
from verbwire.wire.codec.topics import Codec
from verbwire.wire.registry.client import Registry
from verbwire.worker.certificate import certificate_of
from verbwire.worker.public_address import url_of

LIVE = request("GET /health/live HTTP/1.1", "Connection: close")
ROWS = 40


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def https(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Http]:
    monkeypatch.setattr(server, "_LOOK_TICKS", 1)
    table = Table(tmp_path, SHELVES, ShelfRow)
    table.put(shelf(number) for number in range(ROWS))
    with serving([table], certificate=Certificate(*authority.issue()), ca=authority.file) as opened:
        yield opened


def shown(https: Http, authority: Authority) -> bytes:
    """The certificate that a new connection is shown."""
    context = Authorities(authority.file).context()
    with (
        socket.create_connection(https.address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


def test_a_worker_speaks_tls_and_nothing_else(https: Http, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(https.operator.get("/tables/shelves").json()["rows"]) == ROWS
    problem(https.nobody.get("/tables/shelves"), 401, "unauthenticated")
    problem(https.operator.get("/" + "a" * 9000), 414, "target_too_long")
    assert https.raw(LIVE) == b"", "plain HTTP is no TLS: there is nothing to answer it with"
    assert https.raw(LIVE) == b""
    assert caplog.text.count("HTTP is TLS here, ask https://") == 1
    url = str(https.operator.base_url)
    for other in (Authority(tmp_path, "other").file, None):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/health/live", verify=Authorities(other).context())


def test_a_request_in_the_same_segment_as_the_end_of_the_handshake_is_answered(
    https: Http, authority: Authority
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = Authorities(authority.file).context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(https.address, timeout=10) as plain:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        client.write(LIVE)
        plain.sendall(outgoing.read())
        answer = b""
        while b"\r\n\r\n{" not in answer:
            incoming.write(plain.recv(65536))
            try:
                answer += client.read()
            except ssl.SSLWantReadError:
                continue
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_handshake_that_is_never_done_ends_by_itself(authority: Authority) -> None:
    quick = ConnectionLimits(handshake_seconds=0.5)
    with serving(certificate=Certificate(*authority.issue()), ca=authority.file, connections=quick) as https:
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01", LIVE):
            with socket.create_connection(https.address, timeout=10) as silent:
                silent.sendall(sent)
                assert silent.recv(10) == b""
        eventually(lambda: not connections_of(https), 5)


def test_handshakes_that_are_never_done_take_nothing_from_anybody(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, few = Certificate(*authority.issue()), ConnectionLimits(connections=8, health_connections=2)
    with ExitStack() as held:
        https = held.enter_context(serving(certificate=certificate, ca=authority.file, connections=few))
        url, context = str(https.nobody.base_url), Authorities(authority.file).context()
        for number in range(60):
            silent = held.enter_context(socket.create_connection(https.address, timeout=10))
            silent.sendall(b"\x16\x03\x01" * (number % 2))
            if number % 10 == 9:
                assert httpx.get(f"{url}/health/live", verify=context).status_code == 200
                assert httpx.get(f"{url}/tables", verify=context).status_code == 401
        assert len(connections_of(https)) <= 10
    assert sum("connections are in use" in each.getMessage() for each in caplog.records) == 1
    assert "for TLS" in caplog.text


def test_tls_connections_that_are_gone_hold_nothing(https: Http, authority: Authority) -> None:
    """A worker's collector comes rarely: what is freed by it alone is what strangers fill."""
    url, context = str(https.nobody.base_url), Authorities(authority.file).context()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            assert https.raw(LIVE) == b""
            assert httpx.get(f"{url}/health/live", verify=context).status_code == 200
        eventually(lambda: not connections_of(https), 5)
        gates = [each for each in gc.get_objects() if isinstance(each, TlsGate)]
    finally:
        gc.enable()
    assert sum(len(gate._ssl_buffer) for gate in gates) == 0
    assert len(gates) <= 20, "those that never stood are gone altogether"
    assert TlsGate.max_size == TLS_BUFFER


def test_stopping_ends_handshakes_too(authority: Authority) -> None:
    with (
        serving(certificate=Certificate(*authority.issue()), ca=authority.file) as https,
        socket.create_connection(https.address, timeout=10) as silent,
    ):
        eventually(lambda: connections_of(https), 5)
        began = time.monotonic()
        https.server.stop(timeout=5)
        assert time.monotonic() - began < 3
        assert silent.recv(10) == b""


def replaced(files: tuple[Path, Path], by: tuple[Path, Path]) -> None:
    """As a renewal does it: each file at once, one after the other."""
    for old, new in zip(files, by, strict=True):
        shutil.copy(new, old.with_suffix(".new"))
        os.replace(old.with_suffix(".new"), old)


def test_a_renewed_certificate_is_shown_without_a_restart(
    https: Http, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "verbwire.http")
    files = authority.issue()
    eventually(lambda: "was reloaded" in caplog.text, 5)
    first = shown(https, authority)
    replaced(files, authority.issue(name="next", days=300))
    eventually(lambda: shown(https, authority) != first, 5)
    assert https.operator.get("/tables/shelves").status_code == 200, "who is connected stays so"


def test_a_renewal_that_cannot_be_read_keeps_the_old_certificate_and_is_told(
    https: Http, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    before = shown(https, authority)
    files = Path(authority.file.parent / "worker.crt"), Path(authority.file.parent / "worker.key")
    good = [file.read_bytes() for file in files]
    assert told(https, "reload_failed") == 0
    assert abs(told(https, "expiry_timestamp_seconds") - time.time() - 30 * 86_400) < 600
    files[1].write_bytes(b"-----BEGIN nothing")
    eventually(lambda: told(https, "reload_failed") == 1, 5)
    time.sleep(0.3)  # three more looks, which are told no more
    assert shown(https, authority) == before
    lines = [each.getMessage() for each in caplog.records if "http_tls_key" in each.getMessage()]
    assert len(lines) == 1
    assert "worker.key holds no key in PEM" in lines[0]
    assert "stays in use" in lines[0]
    files[1].write_bytes(good[1])
    eventually(lambda: told(https, "reload_failed") == 0, 5)
    assert shown(https, authority) == before


def told(https: Http, name: str) -> float:
    lines = https.operator.get("/metrics").text.splitlines()
    (line,) = (each for each in lines if each.startswith(f"verbwire_http_certificate_{name} "))
    return float(line.split()[1])


def broken(name: str) -> Callable[[tuple[Path, Path]], object]:
    return {
        "no certificate": lambda files: files[0].unlink(),
        "a folder": lambda files: (files[0].unlink(), files[0].mkdir()),
        "no PEM": lambda files: files[0].write_bytes(b"no certificate"),
        "no key": lambda files: files[1].unlink(),
        "no PEM of a key": lambda files: files[1].write_bytes(b"no key"),
    }[name]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no certificate", r"http_tls_certificate \(VERBWIRE_HTTP_TLS_CERTIFICATE\): .*crt cannot be read: No such"),
        ("a folder", "crt cannot be read: Is a directory"),
        ("no PEM", "crt holds no certificate in PEM"),
        ("no key", r"http_tls_key \(VERBWIRE_HTTP_TLS_KEY\): .*key cannot be read: No such file"),
        ("no PEM of a key", "key holds no key in PEM"),
    ],
)
def test_files_that_cannot_be_read_are_named_at_the_start(tmp_path: Path, what: str, said: str) -> None:
    files = Authority(tmp_path).issue()
    broken(what)(files)
    settings = Settings(root=tmp_path, http_tls_certificate="worker.crt", http_tls_key="worker.key")
    with pytest.raises(ConfigurationError, match=said):
        certificate_of(settings, Metrics())


def test_a_certificate_whose_key_does_not_fit_is_named(tmp_path: Path) -> None:
    one, other = Authority(tmp_path).issue(), Authority(tmp_path, "b").issue(name="other")
    with pytest.raises(ConfigurationError, match=r"other\.key is not the key of .*worker.crt"):
        Certificate(one[0], other[1])
    hidden = Authority(tmp_path, "c").issue(name="hidden", passphrase=b"secret")
    with pytest.raises(ConfigurationError, match="without a passphrase"):
        Certificate(*hidden)
    for names in ({"http_tls_certificate": "a"}, {"http_tls_key": "a"}):
        with pytest.raises(ConfigurationError, match="VERBWIRE_HTTP_TLS_KEY"):
            Settings(**names)  # type: ignore[arg-type]  # by name
    with pytest.raises(ConfigurationError, match=r"VERBWIRE_HTTP_TLS_CA.*no certificates"):
        Authorities(one[1])


def test_a_certificate_that_others_will_refuse_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Authority(tmp_path).issue("*.shop.example", "10.0.0.7", days=-1)
    files = {"root": tmp_path, "http_tls_certificate": "worker.crt", "http_tls_key": "worker.key"}
    for host, right in (("w1.shop.example", True), ("10.0.0.7", True), ("a.b.shop.example", False), ("w1", False)):
        caplog.clear()
        settings = Settings(**files, http_advertised_url=f"https://{host}:1")  # type: ignore[arg-type]  # by name
        certificate_of(settings, Metrics())
        assert ("will refuse it" not in caplog.text) is right, host
        assert "expired at" in caplog.text
    assert url_of(Settings(**files), 1) == "https://127.0.0.1:1"  # type: ignore[arg-type]  # by name
    plain = Settings(**files, http_advertised_url="http://w1:1")  # type: ignore[arg-type]  # by name
    with pytest.raises(ConfigurationError, match=r"VERBWIRE_HTTP_ADVERTISED_URL.*write https"):
        url_of(plain, 1)


def test_workers_ask_each_other_over_tls_and_verify(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    known, files = Known({0: "w0", 1: "w0", 2: "w1", 3: "w1"}), authority.issue()
    believed = {"w0": authority.file, "w1": Authority(tmp_path, "another").file}  # the second believes somebody else
    with ExitStack() as stack:
        opened = dict[str, Http]()
        for name, ca in believed.items():
            table = Table(tmp_path / name, SHELVES, ShelfRow)
            table.put(shelf(number) for number in range(ROWS))
            for partition, state in table.store_reader.states.items():
                state.state = PartitionState.RUNNING if known.owners[partition] == name else PartitionState.CLOSED
            tokens = PeerTokens(WORKERS_SECRET, name)
            peers = Peers(cast(Directory, known), name, tokens, Authorities(ca))
            opened[name] = stack.enter_context(
                serving([table], peers=peers, tokens=tokens, certificate=Certificate(*files), ca=authority.file)
            )
            known.urls[name] = "https://{}:{}".format(*opened[name].address)
        whole = opened["w0"].operator.get("/tables/shelves").json()
        assert (whole["complete"], len(whole["rows"])) == (True, ROWS)
        half = opened["w1"].operator.get("/tables/shelves").json()
        assert (half["complete"], half["missing_partitions"]) == (False, [0, 1])
        number = number_in(0, table)
        problem(opened["w1"].operator.get(path_of(number)), 503, "owner_unreachable")
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [each for each in warnings if "worker w0 at https://" in each and "VERBWIRE_HTTP_TLS_CA" in each]


def asking(https: Http, **options: object) -> Querier:
    connection = Connection(
        *("127.0.0.1:9", "http://127.0.0.1:9", Names("town"), CATALOG),
        token=lambda: mint_token(SECRET, "ann", ["stalls:read"]),
        **{"http_endpoints": (str(https.nobody.base_url),), **options},  # type: ignore[arg-type]  # by name
    )
    return Querier(
        connection, lambda: Codec(CATALOG, Registry("http://127.0.0.1:9"), connection.names), SeenPositions()
    )


def test_a_client_verifies(https: Http, authority: Authority) -> None:
    with closing(asking(https, http_tls_ca=authority.file)) as querier, pytest.raises(Exception, match="no query"):
        querier.query(GetStall(stall_id="07"), 5.0, None).result()
    with (
        closing(asking(https)) as querier,
        pytest.raises(UnavailableError, match=r"VERIFY_FAILED.*VERBWIRE_HTTP_TLS_CA"),
    ):
        querier.query(GetStall(stall_id="07"), 0.2, None).result()


def test_a_token_that_travels_plainly_is_told_once(https: Http, caplog: pytest.LogCaptureFixture) -> None:
    with closing(asking(https, http_endpoints=("http://192.0.2.1:9",))) as querier:  # RFC 5737: nobody's
        for _ in range(2):
            with pytest.raises(UnavailableError):
                querier.query(GetStall(stall_id="07"), 0.1, None).result()
    lines = [each.getMessage() for each in caplog.records if "VERBWIRE_HTTP_TLS_CERTIFICATE" in each.getMessage()]
    assert len(lines) == 1
    assert "192.0.2.1" in lines[0]


def test_authorities_that_are_added_are_believed_by_whoever_runs(
    https: Http, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tls, "_LOOK_SECONDS", 0.0)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(Authority(tmp_path, "old").file.read_bytes())
    authorities, url = Authorities(bundle), str(https.nobody.base_url)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health/live", verify=authorities.context())
    bundle.write_bytes(b"half a file")
    for _ in range(3):
        authorities.context()
    assert caplog.text.count("VERBWIRE_HTTP_TLS_CA") == 1
    bundle.write_bytes(authority.file.read_bytes())
    for _ in range(3):
        authorities.context()
    assert httpx.get(f"{url}/health/live", verify=authorities.context()).status_code == 200


@pytest.fixture
def quick(authority: Authority) -> Iterator[Http]:
    """A server whose patience is short."""
    with serving(certificate=Certificate(*authority.issue()), ca=authority.file, connections=QUICK) as opened:
        yield opened


@pytest.mark.parametrize("story", STORIES)
def test_an_idle_connection_over_tls_ends_by_itself(quick: Http, authority: Authority, story: str) -> None:
    first, second = STORIES[story]
    with raised(quick, authority) as connection:
        connection.sendall(first)
        if first.startswith((b"GET /health/live HTTP", b"POST")):
            assert connection.recv(65536)
        connection.sendall(second)
        with suppress(ConnectionError, ssl.SSLEOFError):
            while connection.recv(65536):
                pass
    eventually(lambda: not connections_of(quick), 5)


def test_an_answer_over_tls_that_nobody_reads_is_cut_off(authority: Authority, tmp_path: Path) -> None:
    quick = ConnectionLimits(write_seconds=0.4)
    table = Table(tmp_path, SHELVES, ShelfRow)
    table.put(ShelfRow(shelf=f"{number:05}" + "x" * 900, books=number) for number in range(1000))
    with (
        serving([table], certificate=Certificate(*authority.issue()), ca=authority.file, connections=quick) as https,
        raised(https, authority) as connection,
    ):
        operator = f"Authorization: {https.operator.headers['authorization']}"
        for _ in range(8):  # answered one after the other, as far as somebody reads
            connection.sendall(request("GET /tables/shelves?page_size=1000 HTTP/1.1", operator))
        eventually(lambda: any(each.stage is Stage.ANSWER for each in connections_of(https)), 5)
        eventually(lambda: not connections_of(https), 10)


def raised(https: Http, authority: Authority) -> ssl.SSLSocket:
    """A connection whose TLS stands."""
    plain = socket.create_connection(https.address, timeout=10)
    return Authorities(authority.file).context().wrap_socket(plain, server_hostname="127.0.0.1")
