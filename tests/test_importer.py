"""The importer on a real broker: what arrives, in which order, on whose behalf, and once more."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import pytest

from producers.importer import Imported, import_sales, importing_client
from producers.sales_lines import SalesLine, ToSend, read_sales
from tests.cluster import Cluster, records
from verbwire.contracts.load import load_catalog
from verbwire.deploy import Target, deploy
from verbwire.errors import ContractError
from verbwire.names import Names
from verbwire.sdk.connection import Connection
from verbwire.wire.codec import Codec
from verbwire.wire.headers import Headers
from verbwire.wire.registry import Registry

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[1]
REAL = ROOT / "producers/data/online_retail_2010-12.csv.gz"
CATALOG = load_catalog(ROOT / "schemas")
LINES = 600  # with credits, rejected lines and many invoices among them


@pytest.fixture
def connection(cluster: Cluster, unique: str) -> Connection:
    names = Names("shop", unique)
    deploy(Target(cluster.bootstrap, cluster.registry_url, names, partitions=3), CATALOG, [])
    return Connection(cluster.bootstrap, cluster.registry_url, names, CATALOG)


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> list[SalesLine]:
    path = tmp_path_factory.mktemp("sales") / "some.csv"
    with gzip.open(REAL) as file:
        path.write_bytes(b"".join(islice(file, LINES + 1)) + b"539650,84347,R")
    return list(read_sales(path))


def test_every_command_arrives_in_order_with_its_id_and_the_importers_rights(
    connection: Connection, sales: list[SalesLine]
) -> None:
    with importing_client(connection) as client:
        done = import_sales(client, sales)
    sent = [line for line in sales if isinstance(line, ToSend)]
    assert done.commands == len(sent) == done.sent["AddProductToCart"] + done.sent["CheckOutCart"]
    assert (done.unreadable, done.credits + done.not_addressable) == (1, LINES - done.sent["AddProductToCart"])

    topic = connection.names.commands("shop.carts")
    found = records(connection.bootstrap, topic, len(sent))
    assert sum(done.ends.values()) == len(found)
    classes = {type(line.command).__contract__: type(line.command) for line in sent}
    codec = Codec(CATALOG, Registry(connection.registry), connection.names)
    decode = codec.topic_decoder(topic, "shop.carts", classes).decode
    arrived: dict[str, list[tuple[str | None, object]]] = {}
    for record in sorted(found, key=lambda each: (each.partition(), each.offset())):
        headers = Headers(record.headers())
        assert (headers.actor, set(headers.scopes)) == ("sales-importer", {"carts:write"})
        arrived.setdefault(record.key().decode(), []).append((headers.id, decode(record.value())))
    expected: dict[str, list[tuple[str | None, object]]] = {}
    for line in sent:
        expected.setdefault(line.command.cart_id, []).append((line.id, line.command))
    assert arrived == expected


def test_an_import_that_was_broken_off_sends_the_same_commands_again(
    connection: Connection, sales: list[SalesLine]
) -> None:
    def interrupt(line: SalesLine, done: Imported) -> None:
        if line is sales[100]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), importing_client(connection) as client:
        import_sales(client, sales, interrupt)
    with importing_client(connection) as client:
        import_sales(client, sales)
    ids = [line.id for line in sales if isinstance(line, ToSend)]
    before = [line.id for line in sales[:101] if isinstance(line, ToSend)]
    found = records(connection.bootstrap, connection.names.commands("shop.carts"), len(before) + len(ids))
    assert sorted(str(Headers(record.headers()).id) for record in found) == sorted(before + ids)


def test_a_cluster_without_the_topics_is_told_what_to_do(cluster: Cluster, unique: str, sales: list[SalesLine]) -> None:
    nowhere = Connection(cluster.bootstrap, cluster.registry_url, Names("shop", unique), CATALOG)
    with importing_client(nowhere) as client, pytest.raises(ContractError, match="verbwire deploy"):
        import_sales(client, sales)
