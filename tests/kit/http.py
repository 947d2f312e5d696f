"""A worker's HTTP on a real socket, over tables in real stores that a test fills by itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.kit.samples.town.library import CounterRow, LoanRow, ShelfRow
from verbwire.contracts.schema.load import load_catalog
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import EndOffsets, StoreReader
from verbwire.engine.state.store import PartitionStore
from verbwire.http.access.auth import Authenticator, AuthSettings
from verbwire.http.access.peer_tokens import PeerTokens
from verbwire.http.access.rates import Rates
from verbwire.http.app import Access, Part, Readable, build_app
from verbwire.http.base.limits import ConnectionLimits, RequestLimits
from verbwire.http.forwarding.peers import ALONE, Peers
from verbwire.http.operations.health import Health, PartitionHealth
from verbwire.http.serving.certificate import Certificate
from verbwire.http.serving.server import HttpServer
from verbwire.http.tables.queries import Answerable
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.messages import Message, Row
from verbwire.observability.metrics.registry import Metrics
from verbwire.queries.columns import RowValues
from verbwire.queries.plan import QueryableRow
from verbwire.security.tls import Authorities
from verbwire.security.tokens import OPERATOR, mint_token
from verbwire.wire.avro.messages import Encoder, Reader
from verbwire.wire.keys import key_of

CATALOG = load_catalog(Path(__file__).parent / "samples/town")
SECRET = "a secret of sixty-four bytes, as long as the longest hash needs it"
SCHEMA_ID = 7
SHELVES = "town.library.shelves"
EVENTS = "town.library.events"


@dataclass
class Group:
    """A group whose health the test decides."""

    name: str = SHELVES
    dead: str | None = None
    missing: list[str] = field(default_factory=list)
    health: PartitionHealth = field(default_factory=PartitionHealth)

    def live(self) -> str | None:
        return self.dead

    def not_ready(self) -> list[str]:
        return self.missing

    def partition_health(self) -> PartitionHealth:
        return self.health


def _unseen(_: bytes) -> None:
    """Nothing is to happen when a row is decoded."""


class Table:
    """A table in files of its own, and the way a worker would serve it."""

    def __init__(
        self,
        folder: Path,
        name: str,
        row: type[Row],
        partitions: int = 4,
        *,
        index: Sequence[str] = (),
        search: Sequence[str] = (),
    ) -> None:
        self.contract = CATALOG.of(row)
        self.rows = QueryableRow.of(name, self.contract, index, search)
        self.search = tuple(search)
        self._values = RowValues(self.rows.columns.values(), search).of
        self.store_reader = StoreReader(name, self.contract, partitions)
        self._encode = Encoder(self.contract, SCHEMA_ID)
        self._reader = Reader(self.contract, row, self.contract.schema)
        self.read: Callable[[bytes], Any] = self._reader
        self._stores = [
            PartitionStore(folder / name / f"{partition}.db", [*self.rows.columns], search=search)
            for partition in range(partitions)
        ]
        for partition, store in enumerate(self._stores):
            self.store_reader.states[partition].path = store.path
            self.store_reader.states[partition].inputs = {EVENTS: partition * 100}
        self.mend()

    def mend(self) -> None:
        """Make every partition ready and every row readable."""
        self.on_decode: Callable[[bytes], object] = _unseen
        for state in self.store_reader.states.values():
            state.state, state.end_offsets = PartitionState.RUNNING, EndOffsets()

    def put(self, rows: Iterable[Row]) -> None:
        """Write rows as the engine does: where their keys belong."""
        normal = map(self._encode.normal, rows)
        self._apply((row, (self._encode(row), *self._values(row))) for row in normal)

    def delete(self, rows: Iterable[Row]) -> None:
        """Delete the rows of these keys."""
        self._apply((row, None) for row in rows)

    def everything(self) -> list[Any]:
        """All rows, read one by one."""
        return [self.read(value) for _, value in self.store_reader.items()]

    def _apply(self, rows: Iterable[tuple[Row, tuple[Any, ...] | None]]) -> None:
        changes = [StoreChanges() for _ in self._stores]
        for row, values in rows:
            key = key_of(self.contract, row)
            changes[self.store_reader.partition_of(key)].rows[key] = values
        for store, change in zip(self._stores, changes, strict=True):
            store.apply(change)

    def served(self) -> QueryableTable:
        return QueryableTable(
            self.store_reader,
            self._decode,
            tuple(self.rows.columns),
            self.search,
            shown=lambda value: self._reader.shown(value) if self._is_plain() else None,
            knows=lambda _: self._is_plain(),
        )

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def _is_plain(self) -> bool:
        """Whether no test looks at what is decoded, or makes it take its time."""
        return self.on_decode is _unseen

    def _decode(self, value: bytes) -> Message:
        self.on_decode(value)
        message: Message = self.read(value)
        return message


@dataclass
class Http:
    """A running server, and clients of it."""

    address: tuple[str, int]
    operator: httpx.Client  # has the scope
    nobody: httpx.Client  # sends no token
    metrics: Metrics
    server: HttpServer

    def get(self, path: str) -> int:
        """Ask on a connection of its own; return the status, 0 when the connection was cut."""
        try:
            url = str(self.operator.base_url.join(path))
            return httpx.get(url, headers=self.operator.headers, timeout=60).status_code
        except httpx.HTTPError:
            return 0

    def raw(self, sent: bytes, *more: bytes) -> bytes:
        """Send bytes as they are and return all that comes back before the server closes."""
        with socket.create_connection(self.address, timeout=10) as connection:
            for part in (sent, *more):
                connection.sendall(part)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received


@contextmanager
def serving(
    tables: Sequence[Table] = (),
    groups: Sequence[Group] | None = None,
    settings: AuthSettings | None = None,
    queries: Sequence[Answerable] = (),
    peers: Peers = ALONE,
    parts: Sequence[Part] = (),
    rates: Rates | None = None,
    topics: Collection[str] | None = None,
    tokens: PeerTokens | None = None,
    certificate: Certificate | None = None,
    ca: Path | None = None,
    opened: Sequence[str] = (),
    limits: RequestLimits = RequestLimits(),
    connections: ConnectionLimits = ConnectionLimits(),
    static: Callable[[str], bool] = lambda _: False,
) -> Iterator[Http]:
    """Serve these tables and queries until the block ends."""
    metrics = Metrics()
    auth = Authenticator(settings or AuthSettings(secret=SECRET), tokens)
    health = Health([Group()] if groups is None else groups)
    readable = Readable([table.served() for table in tables], queries, peers, topics)
    app = build_app(Access(auth, rates, opened, static), readable, health, metrics, parts, limits)
    if certificate is not None:
        metrics.http.certificate(lambda: certificate.expires.timestamp(), lambda: certificate.failed)
    server = HttpServer(app, certificate=certificate, limits=connections)
    address = server.start()
    url = f"{'https' if certificate else 'http'}://{address[0]}:{address[1]}"
    verify = Authorities(ca).context()
    if tokens is not None:
        tokens.reached_at(url)
    token = {"Authorization": f"Bearer {mint_token(SECRET, 'olga', [OPERATOR])}"}
    try:
        with (
            httpx.Client(base_url=url, headers=token, verify=verify) as operator,
            httpx.Client(base_url=url, verify=verify) as nobody,
        ):
            yield Http(address, operator, nobody, metrics, server)
    finally:
        server.stop(timeout=1)
        for table in tables:
            table.close()


def shelf(number: int) -> ShelfRow:
    return ShelfRow(shelf=f"shelf {number:05}", books=number)


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that this is a problem of RFC 9457, and return it."""
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"urn:verbwire:problem:{code}"
    assert body["title"]
    assert body["detail"]
    return body


__all__ = ["CounterRow", "Group", "Http", "LoanRow", "ShelfRow", "Table", "problem", "serving", "shelf"]
