"""A worker as its user sees it: started on the command line, asked over HTTP, stopped by a signal."""

from __future__ import annotations

import json
import re
import signal
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import httpx2 as httpx
import pytest
from confluent_kafka import Producer

from tests.kit import bank_jars
from tests.kit.bank import CATALOG, NAMESPACE, RECEIVER, TABLE, Bank
from tests.kit.certificates import Authority
from tests.kit.cli import Said, verbwire
from tests.kit.cluster import Cluster, eventually
from tests.kit.samples.bank.jars import CoinsPut, PutCoins
from tests.kit.worker import DUSTER, SECRET, TELLER, Branch, Running, branch
from tests.platform.engine.test_topic_watch import make_again
from verbwire.dead_letters.shown import shown_message
from verbwire.parking.desk import ParkedDesk
from verbwire.security.tls import Authorities
from verbwire.security.tokens import METRICS, mint_token
from verbwire.security.workers_key import SigningKey, VerifyingKey
from verbwire.wire.partitioner import partition_of

pytestmark = pytest.mark.kafka

PARTITIONS = 2
STOP_SECONDS = 5.0
TLS = ("VERBWIRE_HTTP_TLS_CERTIFICATE", "VERBWIRE_HTTP_TLS_KEY")


def bank_apart(cluster: Cluster) -> closing[Bank]:
    """Topics that nobody else has."""
    return closing(Bank(cluster, f"w{uuid.uuid4().hex[:10]}", PARTITIONS))


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Bank]:
    """Topics of this test alone: its workers own all of their partitions."""
    with bank_apart(cluster) as opened:
        yield opened


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster) -> Iterator[Bank]:
    """Topics of the tests in which no worker gets as far as to write to them."""
    with bank_apart(cluster) as opened:
        yield opened


@pytest.fixture
def idle_project(undisturbed: Bank, tmp_path: Path) -> Iterator[Branch]:
    with branch(tmp_path, undisturbed) as opened:
        yield opened


@pytest.fixture
def project(shop: Bank, tmp_path: Path) -> Iterator[Branch]:
    with branch(tmp_path, shop) as opened:
        yield opened


def jar(number: int) -> str:
    return f"jar-{number}"


def send(shop: Bank, numbers: range, pence: int = 1, how: str = "") -> None:
    """One command for each number, each into the partition where a client's key leads."""
    for number in numbers:
        command = PutCoins(jar_id=jar(number % 7), pence=pence, how=how)
        shop.send(command, partition_of(command.jar_id.encode(), PARTITIONS), id=f"c{number}")


def rows(count: int, pence: int = 1) -> dict[str, int]:
    return {jar(each): pence * len(range(each, count, 7)) for each in range(min(7, count))}


def abort(shop: Bank, count: int) -> None:
    """Events and commands of a transaction that somebody else gives up."""
    producer = Producer({**shop.kafka, "transactional.id": f"{shop.names.prefix}-other"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for message in (CoinsPut(jar_id=jar(0), pence=1000), PutCoins(jar_id=jar(0), pence=1000)):
        value = shop.codec.encoder(CATALOG.of(message))(message)
        for _ in range(count):
            place = partition_of(jar(0).encode(), PARTITIONS)
            producer.produce(shop.topic_of(message), value, jar(0).encode(), place, headers=[("ce_actor", b"eve")])
    producer.flush(20)
    producer.abort_transaction(20)


def ends_well(running: Running, number: signal.Signals) -> None:
    code, seconds = running.ends(number, 20)
    assert (code, seconds < STOP_SECONDS) == (0, True), f"{code} after {seconds:.1f} s\n{running.said()[-3000:]}"
    assert "Traceback" not in running.said(), running.said()[-3000:]


RESOURCE = """
from collections.abc import AsyncIterator
from pathlib import Path
import os
from verbwire import resource
from consumers.jars import jars

@resource
async def pool() -> AsyncIterator[str]:
    if os.environ.get("NO_POOL"):
        raise OSError("no pool in this street")
    Path("pool").write_text("open")
    yield "pool"
    Path("pool").write_text("closed")
"""


def test_resources_are_open_before_a_worker_is_ready_and_closed_when_it_stops(project: Branch) -> None:
    project.write("consumers/pool.py", RESOURCE)
    refused = project.start(NO_POOL="1")
    code, _ = refused.ends(None, 30)
    assert code != 0
    assert "consumers.pool.pool did not open: OSError: no pool in this street" in refused.said()
    assert "Traceback" not in refused.said()
    running = project.start().ready()
    assert (project.folder / "pool").read_text() == "open"
    ends_well(running, signal.SIGTERM)
    assert (project.folder / "pool").read_text() == "closed"


def test_a_worker_from_its_start_to_a_clean_stop_and_back(shop: Bank, project: Branch) -> None:
    send(shop, range(10))
    abort(shop, 30)
    send(shop, range(10, 20))
    first = project.start().ready()
    first.has(rows(20))  # what was sent before it came; nothing of what was aborted
    assert first.get("/health/live")[0] == 200
    assert first.get(f"/tables/bank.jars/{jar(3)}")[1] == {"jar_id": jar(3), "pence": 3, "label": ""}
    assert first.get("/tables/bank.jars/never")[0] == 404
    assert first.get("/tables", scopes=())[0] == 403
    names = {each["name"]: each["ready_partitions"] for each in first.get("/tables")[1]["tables"]}
    assert names == {"bank.jars": [0, 1], "bank.jars.aggregate": [0, 1]}
    metrics = first.get("/metrics")[1]
    group = shop.names.group(TABLE)
    assert f'verbwire_partitions{{group="{group}",state="running"}} 2.0' in metrics
    assert f'verbwire_records_total{{group="{group}"}} 20.0' in metrics
    send(shop, range(20, 30))
    first.has(rows(30))
    first.until(lambda: f'verbwire_handler_running_seconds{{group="{group}"}} 0.0' in first.get("/metrics")[1])
    nothing_left = f'verbwire_lag_records{{group="{group}",topic="{shop.names.events("bank.jars")}"}} 0.0'
    first.until(lambda: nothing_left in first.get("/metrics")[1])  # behind marks of transactions, and what was aborted
    first.until(lambda: f'verbwire_table_rows{{group="{group}"}} 7.0' in first.get("/metrics")[1])
    metrics = first.get("/metrics")[1]
    assert f'verbwire_lag_seconds{{group="{group}"}} 0.0' in metrics
    assert f'verbwire_lag_unknown_partitions{{group="{group}"}} 0.0' in metrics
    assert "verbwire_kafka_reached 1.0" in metrics
    first.process.send_signal(signal.SIGUSR1)  # it tells what its threads are at, and goes on
    first.until(lambda: "most recent call first" in first.said())
    port = first.url().rpartition(":")[2]
    ends_well(first, signal.SIGTERM)
    send(shop, range(30, 40))
    again = project.start(VERBWIRE_HTTP_PORT=port).ready()  # it is free again
    again.has(rows(40))
    send(shop, range(40))  # all of them a second time
    send(shop, range(40, 41))
    again.has(rows(41))
    ends_well(again, signal.SIGINT)
    assert sum(len(shop.outcomes(p)) for p in range(PARTITIONS)) == 41


def test_a_worker_over_tls_and_a_rogue_beside_it(shop: Bank, project: Branch) -> None:
    authority, rogue = Authority(project.folder), Producer({**shop.kafka, "log_level": 3})
    files = dict(zip(TLS, map(str, authority.issue()), strict=True))
    running = project.start("streams", name="tls", **files)
    url, believed = running.url().replace("http:", "https:"), Authorities(authority.file).context()
    running.until(lambda: httpx.get(f"{url}/health/ready", verify=believed).status_code == 200)
    metrics = {"Authorization": f"Bearer {mint_token(SECRET, 'scraper', [METRICS], 86_400)}"}
    said = httpx.get(f"{url}/metrics", headers=metrics, verify=believed).text
    assert "verbwire_http_certificate_reload_failed 0.0" in said
    rogue.produce(shop.names.workers(), b"anything", b"rogue", partition=0)
    assert rogue.flush(10) == 0
    running.until(lambda: "holds an entry of 'rogue'" in running.said())
    listed = project.run("workers").stdout
    assert re.search(rf"tls +{url} +there", listed), listed
    assert re.search(r"rogue +not believed: it is not signed", listed), listed
    VerifyingKey(project.run("workers-key").stdout.strip())
    other = SigningKey(b"?" * 32).public()
    assert project.run("workers", VERBWIRE_HTTP_WORKERS_KEY=other).stdout.count("not believed") == 2
    ends_well(running, signal.SIGTERM)


def test_takeover_after_a_kill_by_the_next_worker(shop: Bank, project: Branch) -> None:
    first = project.start().ready()
    send(shop, range(200))
    first.until(lambda: first.rows())
    first.process.kill()
    first.process.wait()
    send(shop, range(200, 400))
    second = project.start().ready()
    second.has(rows(400))
    second.process.kill()
    assert sum(len(shop.outcomes(p)) for p in range(PARTITIONS)) == 400
    assert sum(len(shop.events(p)) for p in range(PARTITIONS)) == 400


def test_rebalance_is_immediate_when_a_worker_leaves_for_good(shop: Bank, project: Branch) -> None:
    def owned(running: Running) -> list[int]:
        (table,) = (each for each in running.get("/tables")[1]["tables"] if each["name"] == TABLE)
        here: list[int] = table["here"]
        return here

    host = project.start("streams").ready()
    guest = project.start("streams", "--leave", name="w2").ready()
    host.until(lambda: len(owned(host)) == len(owned(guest)) == 1)
    assert sorted(owned(host) + owned(guest)) == [0, 1]
    ends_well(guest, signal.SIGTERM)
    host.until(lambda: owned(host) == [0, 1], 5.0)  # the session of one that does not leave is eight seconds


def test_a_stopped_partition_is_told_mended_and_skipped(shop: Bank, project: Branch) -> None:
    """A worker of the streams alone: commands are left to others."""
    topic, partition = shop.names.events(NAMESPACE), partition_of(b"bad", PARTITIONS)
    good = next(each for each in map(jar, range(7)) if partition_of(each.encode(), PARTITIONS) != partition)
    send(shop, range(3))
    for how, pence in (("", 1), ("raises", 2), ("", 4)):
        offset = shop.send(CoinsPut(jar_id="bad", pence=pence, how=how), partition) - (not how)
    first = project.start("streams")
    told = {"status": "ready", "stopped": {shop.names.group(TABLE): [partition]}, "behind": {}}
    first.until(lambda: first.get("/health/ready") == (200, told))
    assert f'verbwire_partitions{{group="{shop.names.group(TABLE)}",state="stopped"}} 1.0' in first.get("/metrics")[1]
    skip = f"`verbwire parked skip {TABLE} --at {topic}/{partition}/{offset}`"
    assert first.get("/health/live")[0] == 200
    assert first.get("/tables/bank.jars/bad")[0] == 503
    (table,) = (each for each in first.get("/tables")[1]["tables"] if each["name"] == TABLE)
    assert (table["ready_partitions"], [*table["stopped"]]) == ([1 - partition], [str(partition)])
    why = table["stopped"][str(partition)]
    assert f"stopped at {topic}/{partition}/{offset}: streams.jars.coins_put raised RuntimeError: no such jar" in why
    assert skip in why
    shop.send(CoinsPut(jar_id=good, pence=8), 1 - partition)
    first.until(lambda: first.get(f"/tables/bank.jars/{good}")[0] == 200)
    with closing(ParkedDesk(shop.connection, shop.registry, shown_message)) as desk:
        desk.skip_record(bank_jars.table(), f"{topic}/{partition}/{offset}", "ann", "a coin of a test")
    first.has({good: 8, "bad": 5})  # without a restart
    (letter,) = shop.dead_letters(partition, TABLE)
    assert (letter.header("vw_reason"), letter.header("vw_offset")) == ("skipped", str(offset))
    ends_well(first, signal.SIGTERM)
    offset = shop.send(CoinsPut(jar_id="bad", pence=32, how="raises"), partition)
    setting = f"{shop.names.group(TABLE)}@{topic}/{partition}/{offset}"
    skipping = project.start("streams", VERBWIRE_SKIP=setting).ready()
    skipping.until(lambda: len(shop.dead_letters(partition, TABLE)) == 2)
    skipping.has({good: 8, "bad": 5})
    shop.send(CoinsPut(jar_id="bad", pence=16, how="raises"), partition)
    skipping.until(lambda: skipping.get("/health/ready")[1]["stopped"])
    (table,) = (each for each in skipping.get("/tables")[1]["tables"] if each["name"] == TABLE)
    assert (table["complete"], table["dead_letters"]) == (False, 2)
    ends_well(skipping, signal.SIGTERM)
    project.write("streams/jars.py", (project.folder / "streams/jars.py").read_text().replace('"raises"', '"never"'))
    project.start("bank.jars").ready().has({good: 8, "bad": 21})
    assert [shop.outcomes(p) for p in range(PARTITIONS)] == [[], []]


@pytest.mark.chaos
def test_partitions_added_to_a_topic_stop_its_group_alone_and_at_once(shop: Bank, project: Branch) -> None:
    """Kafka hashes keys elsewhere from then on; it tells no consumer for five minutes, and takes nothing back."""
    send(shop, range(3))
    running = project.start().ready()
    running.has(rows(3))
    changelog = shop.names.changelog(shop.names.group(TABLE), "jars")
    shop.add_partitions(changelog, PARTITIONS + 1)

    table, receiver = shop.names.group(TABLE), shop.names.group(RECEIVER)

    def told(running: Running, said: str, *groups: str) -> None:
        running.until(lambda: set(running.get("/health/ready")[1].get("stopped", ())) == set(groups), 20.0)
        (shown,) = (each for each in running.get("/tables")[1]["tables"] if each["name"] == TABLE)
        assert (shown["complete"], shown["ready_partitions"]) == (False, [])
        for why in shown["stopped"].values():
            assert f"{said} partitions, the group's other topics have " in why
            assert "Kafka takes no partitions back" in why
        assert running.get("/tables/bank.jars")[0] == 503

    told(running, f"{changelog} has 3", table)
    send(shop, range(3, 6))
    running.until(lambda: sum(len(shop.outcomes(p)) for p in range(PARTITIONS)) == 6)  # the receiver goes on
    ends_well(running, signal.SIGTERM)
    shop.add_partitions(shop.names.events(NAMESPACE), PARTITIONS + 1)
    told(project.start(), " has 2", table, receiver)


@pytest.mark.chaos
def test_a_topic_made_again_under_a_worker_is_told_at_once(shop: Bank, project: Branch) -> None:
    """Who reads it stands still and says what can be done, here and after a restart; who writes it goes on."""
    send(shop, range(3))
    running, table = project.start().ready(), shop.names.group(TABLE)
    running.has(rows(3))
    make_again(shop, shop.names.events(NAMESPACE))

    def told(running: Running) -> None:
        stopped = {"status": "ready", "stopped": {table: [0, 1]}, "behind": {}}
        running.until(lambda: running.get("/health/ready") == (200, stopped), 20.0)
        (shown,) = (each for each in running.get("/tables")[1]["tables"] if each["name"] == TABLE)
        assert all("was deleted and made again" in why for why in shown["stopped"].values())

    told(running)
    ends_well(running, signal.SIGTERM)
    running = project.start()
    told(running)
    send(shop, range(3, 6))
    running.until(lambda: sum(len(shop.outcomes(p)) for p in range(PARTITIONS)) == 6)


def test_fencing_of_two_workers_of_one_name_ends_one_which_says_why(shop: Bank, project: Branch) -> None:
    """Left alone they put each other out of the group by turns, for ever, each of them ready every other second."""

    def done(count: int) -> bool:
        return sum(len(shop.outcomes(p)) for p in range(PARTITIONS)) == count

    first = project.start("consumers").ready()
    send(shop, range(50))
    first.until(lambda: done(50))
    second = project.start("consumers", VERBWIRE_DATA="elsewhere")  # as on another host
    both = (first, second)
    eventually(lambda: any(each.process.poll() is not None for each in both), 30)
    for each in both:  # mostly the second; where commits were under way, the first, or both
        if (code := each.process.poll()) is not None:
            last = each.said().strip().splitlines()[-1]
            assert (code, "another process uses the worker name 'w1' in group" in last) == (1, True), each.said()[
                -3000:
            ]
    send(shop, range(50, 100))
    project.kill()
    alone = project.start("consumers").ready()
    alone.until(lambda: done(100))
    assert alone.get("/health/live")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.chaos)])
def test_a_signal_during_the_start_ends_it_too(idle_project: Branch, number: signal.Signals) -> None:
    project = idle_project
    starting = project.start()
    starting.url()
    ends_well(starting, number)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a registry that takes the question and says nothing
        silent.settimeout(30)
        asking = project.start(VERBWIRE_REGISTRY=f"http://127.0.0.1:{silent.getsockname()[1]}")
        asked, _ = silent.accept()
        with asked:
            ends_well(asking, number)


def one_line(done: CompletedProcess[str] | Said, *said: str) -> None:
    """An error is one line on stderr, without a traceback, and the process ends with the status of its kind."""
    code, out, error = done.returncode, done.stdout, done.stderr
    lines = [line for line in error.splitlines() if not re.match(r"\d{4}-\d\d-\d\d .* INFO ", line)]
    assert (out, len(lines)) == ("", 1), error
    kinds = {"ConfigurationError": 2, "UnavailableError": 3, "RegistryUnavailableError": 3}
    assert code == kinds.get(lines[0].partition(":")[0], 1), error
    assert all(each in lines[0] for each in said), lines


def test_errors_of_the_settings_are_one_line(idle_project: Branch) -> None:
    cases: list[tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]] = [
        ((), {"VERBWIRE_HTTP_PORT": "x"}, ("ConfigurationError: VERBWIRE_HTTP_PORT is 'x'",)),
        (("stream",), {}, ("no group or folder is called stream", "bank.jars.aggregate")),
        ((), {"VERBWIRE_HTTP_SECRET": "short"}, ("ConfigurationError", "VERBWIRE_HTTP_SECRET")),
        ((), {"VERBWIRE_PREFIX": "never-deployed"}, ("UnavailableError", "run `verbwire deploy`")),
        ((), {"VERBWIRE_REGISTRY": "http://127.0.0.1:1"}, ("UnavailableError", "http://127.0.0.1:1")),
        ((), {"VERBWIRE_DATA": "/proc/never"}, ("ConfigurationError", "/proc/never", "VERBWIRE_DATA")),
        ((), {"VERBWIRE_HTTP_HOST": "0.0.0.0"}, ("ConfigurationError", "VERBWIRE_HTTP_DEVELOPMENT")),  # noqa: S104
        ((), dict.fromkeys(TLS, "none.pem"), ("ConfigurationError", TLS[0], "none.pem cannot be read: No such file")),
    ]
    for arguments, environment, said in cases:
        one_line(verbwire(idle_project.folder, "worker", *arguments, **idle_project.environment | environment), *said)


def test_errors_of_the_surroundings_are_one_line(idle_project: Branch) -> None:
    project = idle_project
    busy = project.start("streams").url().rpartition(":")[2]
    cases: list[tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]] = [
        ((), {"VERBWIRE_BOOTSTRAP": "127.0.0.1:1"}, ("UnavailableError: Kafka at 127.0.0.1:1 ",)),
        (("--name", "w2", "--port", busy), {}, ("ConfigurationError", f"port {busy}", "http_port")),
        (("--name", "w1"), {}, ("ConfigurationError: another process has the copies in", "VERBWIRE_WORKER")),
    ]
    with ThreadPoolExecutor(3) as pool:  # the first waits for ten seconds
        done = [pool.submit(project.run, "worker", *arguments, **environment) for arguments, environment, _ in cases]
        for each, (_, _, said) in zip(done, cases, strict=True):
            one_line(each.result(), *said)


def test_errors_of_the_code_are_one_line(idle_project: Branch) -> None:
    project = idle_project

    def refused(*said: str) -> None:
        one_line(verbwire(project.folder, "worker", **project.environment), *said)

    project.write("streams/again.py", (project.folder / "streams/jars.py").read_text())
    refused("ContractError: two declarations are called bank.jars")
    (project.folder / "streams/again.py").unlink()
    contract = (project.folder / "schemas/jars/CoinsPut.avsc").read_text()
    project.write("schemas/jars/CoinsPut.avsc", contract.replace('"how"', '"why"'))
    refused("ContractError: CoinsPut is stale", "verbwire schemas generate")
    project.write("schemas/jars/CoinsPut.avsc", contract[:-10])
    refused("ContractError", "CoinsPut.avsc")


def test_contracts_are_checked_against_what_was_deployed_from_here(shop: Bank, project: Branch) -> None:
    project.write("consumers/jars.py", TELLER)
    unhandled = project.run("deploy", VERBWIRE_PARTITIONS=str(shop.partitions))
    assert unhandled.returncode == 1
    assert "does not handle DustJar: write its handler" in unhandled.stderr
    project.write("consumers/jars.py", TELLER + DUSTER)
    deployed = project.run("deploy", VERBWIRE_PARTITIONS=str(shop.partitions))
    assert deployed.returncode == 0, deployed.stderr
    contract = json.loads((project.folder / "schemas/jars/CoinsPut.avsc").read_text())
    pence = {"name": "pence", "type": "string"}
    fields = [pence if each["name"] == "pence" else each for each in contract["fields"]]
    project.write("schemas/jars/CoinsPut.avsc", json.dumps({**contract, "fields": fields}))
    told = [each for each in json.loads(project.run("check", "--json").stdout) if "deployed.json" in each["message"]]
    assert [(each["code"], each["message"].partition(":")[0]) for each in told] == [("type-changed", "field pence")]
