"""Several workers answer as one: servers on real sockets with some partitions each, that know who has the others."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from urllib.parse import quote

import httpx2 as httpx
import jwt
import pytest

from tests.kit.cluster import eventually
from tests.kit.http import CATALOG, EVENTS, SECRET, SHELVES, Http, ShelfRow, Table, problem, serving, shelf
from tests.kit.market import INDEX, Market, open_market, stall
from tests.kit.samples.town.market import FindStalls, GetStall, StallRow
from verbwire.discovery.directory import Directory
from verbwire.engine.state.partition_state import PartitionState
from verbwire.http.access.peer_tokens import FORWARDED, PARTITIONS, PeerTokens
from verbwire.http.base.limits import PageLimits, RequestLimits
from verbwire.http.forwarding.peer_client import PeerLimits
from verbwire.http.forwarding.peers import Peers
from verbwire.http.operations.jobs import JobsPage
from verbwire.http.tables.queries import Answerable, FromRow, FromRows
from verbwire.observability.job_board import JobBoard, Running
from verbwire.queries.plan import plan_query
from verbwire.security.tokens import OPERATOR, mint_token
from verbwire.wire.positions import encode_positions
from verbwire.wire.records.workers import WorkerRecord

WORKERS_SECRET = "the secret of these workers, which is longer than thirty-two bytes"
PARTITIONS_EACH = {"w0": (0, 3), "w1": (1,), "w2": (2,)}
ROWS = 200


@dataclass
class Known:
    """What the workers believe of each other."""

    owners: dict[int, str] = field(default_factory=lambda: {p: n for n, ps in PARTITIONS_EACH.items() for p in ps})
    urls: dict[str, str] = field(default_factory=dict)

    def owner(self, group: str, partition: int) -> WorkerRecord | None:  # noqa: ARG002 (all have the same owners here)
        name = self.owners.get(partition, "")
        return self._record(name) if name in self.urls else None

    def workers(self) -> list[WorkerRecord]:
        return [self._record(name) for name in self.urls]

    def _record(self, name: str) -> WorkerRecord:
        return WorkerRecord(name=name, url=self.urls[name], started_at=0, beat=0)


@dataclass
class Three:
    """Three workers with one table."""

    known: Known
    workers: dict[str, Http]
    tables: dict[str, Table]

    @property
    def all(self) -> list[Http]:
        return list(self.workers.values())


def job_of(worker: str, minutes: int) -> Running:
    started = datetime.now(UTC) - timedelta(minutes=minutes)
    return Running("sales.reports", "sales.BuildReport", f"job of {worker}", "sales.commands", 0, 7, 1, started)


@contextmanager
def three(
    folder: Path,
    secrets: tuple[str, str, str] = (WORKERS_SECRET,) * 3,
    limits: RequestLimits = RequestLimits(),
    peer_limits: PeerLimits = PeerLimits(),
) -> Iterator[Three]:
    known, tables = Known(), dict[str, Table]()
    workers: dict[str, Http] = {}
    with ExitStack() as stack:
        for (name, mine), secret in zip(PARTITIONS_EACH.items(), secrets, strict=True):
            table = tables[name] = Table(folder / name, SHELVES, ShelfRow)
            table.put(shelf(number) for number in range(ROWS))  # those of others are there, and must not be told
            for partition, state in table.store_reader.states.items():
                state.state = PartitionState.RUNNING if partition in mine else PartitionState.CLOSED
            tokens = PeerTokens(secret, name)
            peers = Peers(cast(Directory, known), name, tokens, limits=peer_limits)
            board = JobBoard()
            board.begin(job_of(name, len(workers)))
            parts = [JobsPage(board, name, peers)]
            served = serving([table], peers=peers, parts=parts, tokens=tokens, limits=limits)
            workers[name] = stack.enter_context(served)
            known.urls[name] = f"http://{workers[name].address[0]}:{workers[name].address[1]}"
        yield Three(known, workers, tables)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    with three(tmp_path_factory.mktemp("three")) as opened:
        yield opened


def path_of(number: int) -> str:
    return f"/tables/shelves/{quote(shelf(number).shelf)}"


def number_in(partition: int, table: Table) -> int:
    return next(number for number in range(ROWS) if partition_in(number, table) == partition)


def partition_in(number: int, table: Table) -> int:
    return table.served().partition_of(table.served().key(shelf(number).shelf))


def test_forwarding_lets_every_worker_answer_every_key(shared: Three) -> None:
    for worker in shared.all:
        for number in range(30):
            answer = worker.operator.get(path_of(number))
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert answer.json()["shelf"] == shelf(number).shelf
        problem(worker.operator.get("/tables/shelves/never"), 404, "no_such_row")


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "50 %", "ü/\U0001f4da", "?x=1#y", "a+b"])
def test_forwarding_finds_the_owner_of_any_key(shared: Three, key: str) -> None:
    for table in shared.tables.values():
        table.put([ShelfRow(shelf=key, books=1)])
    assert {w.operator.get(f"/tables/shelves/{quote(key, safe='')}").json()["shelf"] for w in shared.all} == {key}
    for table in shared.tables.values():
        table.delete([ShelfRow(shelf=key, books=1)])


@pytest.mark.parametrize("query", ["page_size=1000", "page=3&page_size=7", "page=40&page_size=5", "page_size=3"])
def test_forwarding_lets_every_worker_list_everything_in_order(shared: Three, query: str) -> None:
    answers = [worker.operator.get(f"/tables/shelves?{query}").json() for worker in shared.all]
    assert answers[0] == answers[1] == answers[2]
    page, size = (int(dict(part.split("=") for part in query.split("&")).get(n, 1)) for n in ("page", "page_size"))
    assert [row["shelf"] for row in answers[0]["rows"]] == [
        shelf(number).shelf for number in range(ROWS)[(page - 1) * size : page * size]
    ]
    assert (answers[0]["complete"], answers[0]["missing_partitions"], len(answers[0]["positions"])) == (True, [], 4)
    assert (answers[0]["next"] is None) == (page * size >= ROWS)


def test_a_cursor_may_change_workers_at_every_page(shared: Three) -> None:
    seen, path, turn = [], "/tables/shelves?page_size=30", 0
    while path:
        answer = shared.all[turn % 3].operator.get(path).json()
        seen += [row["shelf"] for row in answer["rows"]]
        path, turn = answer["next"], turn + 1
    assert seen == [shelf(number).shelf for number in range(ROWS)]


def test_the_list_of_tables_is_of_all_workers(shared: Three) -> None:
    for name, worker in shared.workers.items():
        (table,) = worker.operator.get("/tables").json()["tables"]
        assert (table["ready_partitions"], table["missing_partitions"], table["rows"]) == ([0, 1, 2, 3], [], ROWS)
        assert tuple(table["here"]) == PARTITIONS_EACH[name]


def test_jobs_are_told_of_all_workers_the_longest_first(shared: Three, monkeypatch: pytest.MonkeyPatch) -> None:
    for worker in shared.all:
        told = worker.operator.get("/jobs").json()
        assert [(job["worker"], job["id"]) for job in told["jobs"]] == [(w, f"job of {w}") for w in ("w2", "w1", "w0")]
        assert told["complete"] is True
    with refusing() as url:
        monkeypatch.setitem(shared.known.urls, "w1", url)
        told = shared.workers["w0"].operator.get("/jobs").json()
        assert [job["worker"] for job in told["jobs"]] == ["w2", "w0"]
        assert told["complete"] is False


@contextmanager
def hanging() -> Iterator[str]:
    """Somewhere that takes connections and says nothing, like a process that is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield "http://{}:{}".format(*listening.getsockname())


@contextmanager
def refusing() -> Iterator[str]:
    """Somewhere that nobody listens, like a process that was killed."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield "http://{}:{}".format(*bound.getsockname())


@pytest.mark.parametrize("gone", [hanging, refusing])
def test_forwarding_to_an_owner_that_does_not_answer_is_a_503_or_a_missing_partition(
    tmp_path: Path, gone: Callable[[], AbstractContextManager[str]]
) -> None:
    with three(tmp_path, peer_limits=PeerLimits(answer_seconds=0.3)) as opened, gone() as url:
        w0, shelves = opened.workers["w0"].operator, opened.tables["w0"]
        number = number_in(2, shelves)
        opened.known.urls["w2"] = url
        began = time.monotonic()
        answer = w0.get(path_of(number))
        problem(answer, 503, "owner_unreachable")
        assert answer.headers["retry-after"] == "1"
        listed = w0.get("/tables/shelves?page_size=1000").json()
        (table,) = w0.get("/tables").json()["tables"]
        assert time.monotonic() - began < 3
    assert (listed["complete"], listed["missing_partitions"], sorted(listed["positions"])) == (False, [2], list("013"))
    assert len(listed["rows"]) == sum(partition_in(n, shelves) != 2 for n in range(ROWS))
    assert (table["ready_partitions"], table["missing_partitions"]) == ([0, 1, 3], [2])


def test_forwarding_to_a_worker_that_hangs_does_not_use_up_what_others_need(tmp_path: Path) -> None:
    with three(tmp_path, peer_limits=PeerLimits(each=0)) as opened:
        w0 = opened.workers["w0"].operator
        problem(w0.get(path_of(number_in(1, opened.tables["w0"]))), 503, "owner_unreachable")
        assert w0.get("/tables/shelves").json()["missing_partitions"] == [1, 2]


def test_a_part_that_is_too_large_is_never_missing(tmp_path: Path) -> None:
    small = PageLimits(page=900, part=200, deep_part=300)
    with three(tmp_path / "pages", limits=RequestLimits(pages=small)) as opened:
        for worker in opened.all:
            seen, path = list[str](), "/tables/shelves?page_size=100"
            while path is not None:
                answer = worker.operator.get(path).json()
                assert (answer["complete"], answer["missing_partitions"]) == (True, [])
                assert len(answer["rows"]) < 100
                seen += [row["shelf"] for row in answer["rows"]]
                path = answer["next"]
            assert seen == [shelf(number).shelf for number in range(ROWS)]
        w0 = opened.workers["w0"].operator
        told = problem(w0.get("/tables/shelves?page=3&page_size=40"), 400, "page_too_large")
        assert w0.get(told["next"]).status_code == 200
    with three(tmp_path / "answers", peer_limits=PeerLimits(max_answer=50)) as opened:
        problem(opened.workers["w0"].operator.get("/tables/shelves"), 400, "page_too_large")


def test_forwarding_passes_on_a_429_whichever_worker_noticed(tmp_path: Path) -> None:
    with three(tmp_path / "there", limits=RequestLimits(forwarded_each=0)) as opened:
        number, http = number_in(2, opened.tables["w0"]), opened.workers["w0"].operator
        for path in (path_of(number), "/tables/shelves"):
            answer = http.get(path)
            problem(answer, 429, "too_many")
            assert answer.headers["retry-after"] == "1"
        (table,) = http.get("/tables").json()["tables"]
        assert (table["missing_partitions"], table["ready_partitions"]) == ([1, 2], [0, 3])
    with three(tmp_path / "here", peer_limits=PeerLimits(each_principal=0)) as opened:
        problem(opened.workers["w0"].operator.get(path_of(number)), 429, "too_many")
        problem(opened.workers["w0"].operator.get("/tables/shelves"), 429, "too_many")


def test_forwarding_counts_the_bytes_of_other_workers_before_it_reads_them(tmp_path: Path) -> None:
    enough = RequestLimits(small=10, memory_each=60)  # for a row that is here, but not for one that is sent twice
    with three(tmp_path, limits=enough) as opened:
        http, table = opened.workers["w0"].operator, opened.tables["w0"]
        problem(http.get(path_of(number_in(1, table))), 400, "page_too_large")
        for _ in range(3):
            assert http.get(path_of(number_in(0, table))).status_code == 200, "and it is given back"


def test_an_owner_that_is_not_ready_says_so_itself(shared: Three) -> None:
    state = shared.tables["w2"].store_reader.states[2]
    state.state, state.reason = PartitionState.STOPPED, "a handler raised"
    try:
        answer = shared.workers["w0"].operator.get(path_of(number_in(2, shared.tables["w0"])))
        assert "is stopped until an operator decides" in problem(answer, 503, "not_ready")["detail"]
        assert answer.headers["retry-after"] == "30"
        assert shared.workers["w1"].operator.get("/tables/shelves").json()["missing_partitions"] == [2]
    finally:
        state.state = PartitionState.RUNNING


def test_forwarding_answers_503_and_no_empty_list_when_nobody_has_a_partition(
    shared: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in shared.tables.values():
        monkeypatch.setattr(table.store_reader, "lease", lambda: False)
    problem(shared.workers["w0"].operator.get("/tables/shelves"), 503, "not_ready")


def test_forwarding_passes_a_request_on_once_whatever_the_directory_says(
    shared: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that believe it of each other would pass a request to and fro for ever."""
    number = number_in(2, shared.tables["w0"])
    monkeypatch.setitem(shared.known.owners, 2, "w1")  # it was, once: it knows better, and does not ask w2
    problem(shared.workers["w0"].operator.get(path_of(number)), 503, "not_ready")
    answer = shared.workers["w0"].operator.get("/tables/shelves").json()
    assert (answer["complete"], answer["missing_partitions"]) == (False, [2])
    monkeypatch.setitem(shared.known.owners, 2, "w0")
    problem(shared.workers["w0"].operator.get(path_of(number)), 503, "not_ready")


def said_by(worker: str, asked: Http, path: str, scopes: list[str], **changed: str) -> dict[str, str]:
    """What a worker shows another with one request, or a rogue one with what it knows."""
    known = {"secret": WORKERS_SECRET, "name": "w0", "url": "http://{}:{}".format(*asked.address), "method": "GET"}
    known |= {name: value for name, value in changed.items() if name in known}
    headers = {FORWARDED: worker, **{name: value for name, value in changed.items() if name == PARTITIONS}}
    peer = WorkerRecord(name=known["name"], url=known["url"], started_at=0, beat=0)
    token = PeerTokens(known["secret"], worker).mint(peer, "eve", scopes, known["method"], path, headers)
    return {"Authorization": f"Bearer {token}", **headers}


def test_peer_tokens_cannot_be_made_by_anybody_but_workers(shared: Three) -> None:
    ordinary = {"Authorization": f"Bearer {mint_token(SECRET, 'eve', [OPERATOR])}"}
    asked, path = shared.workers["w0"], path_of(number_in(0, shared.tables["w0"]))
    http = asked.nobody
    genuine = said_by("w1", asked, path, [OPERATOR])
    assert http.get(path, headers=genuine).status_code == 200
    for headers in (
        {**ordinary, FORWARDED: "w1"},
        {"Authorization": genuine["Authorization"]},
        said_by("w1", asked, path, [OPERATOR], secret=SECRET),
        {"Authorization": f"Bearer {mint_token(WORKERS_SECRET, 'eve', [OPERATOR])}", FORWARDED: "w1"},
    ):
        problem(http.get(path, headers=headers), 401, "unauthenticated")
    # Nor does a client get the form that workers give each other.
    listed = asked.operator.get("/tables/shelves", headers={PARTITIONS: "0"}).json()
    assert listed["complete"]


def test_peer_tokens_are_for_one_request_at_one_worker(shared: Three) -> None:
    """Collected by somebody whom a worker has asked, it opens nothing elsewhere, and nothing else."""
    asked, path = shared.workers["w0"], path_of(number_in(0, shared.tables["w0"]))
    http, genuine = asked.nobody, said_by("w1", shared.workers["w0"], path, [OPERATOR])
    other = path_of(number_in(3, shared.tables["w0"]))
    for headers in (
        said_by("w1", asked, path, [OPERATOR], name="rogue"),
        said_by("w1", asked, path, [OPERATOR], url="http://127.0.0.1:9"),
        said_by("w1", asked, path, [OPERATOR], method="POST"),
        said_by("w1", asked, other, [OPERATOR]),
        said_by("w1", asked, path + "?x=1", [OPERATOR]),
        {**genuine, FORWARDED: "w2"},
        {**genuine, PARTITIONS: "0,3"},
        {**genuine, "Prefer": "wait=60"},
        {**genuine, "Verbwire-Position": "t=0:1"},
    ):
        problem(http.get(path, headers=headers), 401, "unauthenticated")
    problem(http.get(other, headers=genuine), 401, "unauthenticated")
    problem(http.request("GET", path, headers=genuine, content=b"body"), 401, "unauthenticated")
    assert http.get(path, headers=genuine).status_code == 200, "the same question once more tells nothing new"


@pytest.mark.parametrize("changed", [{"iat": -60, "exp": -10}, {"iat": 60, "exp": 80}, {"iat": 0, "exp": 3600}])
def test_peer_tokens_are_short_lived(shared: Three, changed: dict[str, int]) -> None:
    asked, path = shared.workers["w0"], path_of(number_in(0, shared.tables["w0"]))
    headers = said_by("w1", asked, path, [OPERATOR])
    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), options={"verify_signature": False})
    assert 0 < claims["exp"] - time.time() <= 30
    claims |= {name: int(time.time()) + seconds for name, seconds in changed.items()}
    forged = jwt.encode(claims, PeerTokens(WORKERS_SECRET, "w1")._key, algorithm="HS256")
    problem(asked.nobody.get(path, headers={**headers, "Authorization": f"Bearer {forged}"}), 401, "unauthenticated")


def test_a_worker_asks_on_behalf_of_who_asked_it(shared: Three) -> None:
    """What somebody must not see they do not see by way of another worker either."""
    asked = shared.workers["w0"]
    headers = said_by("w1", asked, "/tables/shelves", ["orders:read"])
    problem(asked.nobody.get("/tables/shelves", headers=headers), 403, "forbidden")


@pytest.mark.parametrize("text", ["", "one", "0,9", "-1"])
def test_partitions_that_are_none_are_refused(shared: Three, text: str) -> None:
    asked = shared.workers["w0"]
    headers = said_by("w1", asked, "/tables/shelves", [OPERATOR], **{PARTITIONS: text})
    problem(asked.nobody.get("/tables/shelves", headers=headers), 400, "bad_partitions")


ASKED = [
    ("/queries/GetStall?stall_id={n:02}", {}),
    ("/queries/GetStall?stall_id={n:02}", {"scopes": "stalls:read"}),
    ("/queries/GetStall?stall_id={n:02}", {"scopes": ""}),
    ("/queries/FindStalls?page_size=5&page=2", {}),
    ("/queries/FindStalls?sort=-fee&owner=bob", {}),
    ("/queries/FindStalls?search=green", {}),
    ("/queries/FindStalls", {"actor": "bob", "scopes": ""}),
    ("/queries/FindStalls", {"actor": ""}),
    ("/queries/FindStalls?fee_from=no", {}),
    ("/queries/FindTurnover?stall_id=a", {}),
]


def test_queries_have_one_answer_wherever_they_are_asked(tmp_path: Path) -> None:
    """Also to those who may see some of the rows only, and to nobody known."""
    known = Known({0: "w0", 1: "w0", 2: "w1", 3: "w1"})
    markets: list[Market] = []
    with ExitStack() as stack:
        alone = stack.enter_context(open_market(tmp_path / "alone"))
        for name in ("w0", "w1"):
            tokens = PeerTokens(WORKERS_SECRET, name)
            peers = Peers(cast(Directory, known), name, tokens)
            market = stack.enter_context(open_market(tmp_path / name, peers=peers, tokens=tokens))
            for table in (market.stalls, market.turnover):
                for partition, state in table.store_reader.states.items():
                    state.state = PartitionState.RUNNING if known.owners[partition] == name else PartitionState.CLOSED
            known.urls[name] = "http://{}:{}".format(*market.http.address)
            markets.append(market)
        for path, who in ASKED:
            for number in range(8) if "{n" in path else [0]:
                expected = alone.ask(path.format(n=number), **who)
                for market in markets:
                    answer = market.ask(path.format(n=number), **who)
                    assert (answer.status_code, answer.json()) == (expected.status_code, expected.json()), path


@dataclass
class Mixed:
    """Two workers: the newer has an index and queries that the older has never heard of."""

    new: Http
    old: Http
    elsewhere: str  # the id of a stall that the older one has

    def get_stall(self, worker: Http, stall_id: str) -> httpx.Response:
        token = {"Authorization": f"Bearer {mint_token(SECRET, 'ann', ['stalls:read'])}"}
        return worker.nobody.get(f"/queries/GetStall?stall_id={stall_id}", headers=token)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    folder = tmp_path_factory.mktemp("mixed")
    known = Known({0: "old", 1: "new", 2: "old", 3: "new"})
    opened = dict[str, Http]()
    with ExitStack() as stack:
        for name, index in (("new", INDEX), ("old", ("owner",))):
            table = Table(folder / name, "town.stalls", StallRow, index=index, search=["note"])
            table.put(map(stall, range(24)))
            for partition, state in table.store_reader.states.items():
                state.state = PartitionState.RUNNING if known.owners[partition] == name else PartitionState.CLOSED
            served, queries = table.served(), list[Answerable]()
            if name == "new":
                plans = {query: plan_query(CATALOG.of(query), served.rows) for query in (GetStall, FindStalls)}
                queries = [FromRow(plans[GetStall], served), FromRows(plans[FindStalls], FindStalls, served)]
            tokens = PeerTokens(WORKERS_SECRET, name)
            peers = Peers(cast(Directory, known), name, tokens)
            opened[name] = stack.enter_context(serving([table], queries=queries, peers=peers, tokens=tokens))
            known.urls[name] = "http://{}:{}".format(*opened[name].address)
        ids = [stall(number).stall_id for number in range(24)]
        yield Mixed(
            **opened, elsewhere=next(each for each in ids if table.store_reader.partition_of(each.encode()) == 0)
        )


SEEN = {"Verbwire-Position": encode_positions({("town.market.events", 0): 1})}


@pytest.mark.parametrize("headers", [{}, SEEN], ids=["", "as new as seen"])
@pytest.mark.parametrize("path", ["/tables/stalls?sort=-fee", "/tables/stalls?fee_from=1", "/queries/FindStalls"])
def test_partitions_of_a_worker_that_does_not_know_the_list_yet_are_missing(
    mixed: Mixed, path: str, headers: dict[str, str]
) -> None:
    answer = mixed.new.operator.get(path, headers=headers)
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["complete"], answer.json()["missing_partitions"]) == (False, [0, 2])


def test_a_row_of_a_worker_that_does_not_know_the_query_yet_is_unavailable(mixed: Mixed) -> None:
    answer = mixed.get_stall(mixed.new, mixed.elsewhere)
    problem(answer, 503, "mixed_versions")
    assert answer.headers["retry-after"] == "5"
    assert mixed.new.operator.get(f"/tables/stalls/{mixed.elsewhere}").json()["stall_id"] == mixed.elsewhere


def test_forwarding_refuses_what_the_asked_worker_itself_does_not_know(mixed: Mixed) -> None:
    problem(mixed.old.operator.get("/tables/stalls?sort=fee"), 400, "bad_parameter")
    problem(mixed.old.operator.get("/tables/stalls?fee=1"), 400, "unknown_parameter")
    problem(mixed.get_stall(mixed.old, mixed.elsewhere), 404, "no_such_query")
    problem(mixed.new.operator.get("/tables/stalls?sort=note"), 400, "bad_parameter")
    problem(mixed.get_stall(mixed.new, "never"), 404, "not_found")


def test_forwarding_that_waits_takes_no_place_of_requests_that_do_not(tmp_path: Path) -> None:
    two, patient = PeerLimits(each_principal=2, position_seconds=20.0), RequestLimits(fresh_seconds=20.0)
    with three(tmp_path, limits=patient, peer_limits=two) as opened:
        _ask_two_that_wait_and_one_that_does_not(opened)


def _ask_two_that_wait_and_one_that_does_not(shared: Three) -> None:
    there, number = shared.tables["w1"], number_in(1, shared.tables["w1"])
    ahead = {"Verbwire-Position": encode_positions({(EVENTS, 1): 1000})}
    w0, state = shared.workers["w0"].operator, there.store_reader.states[1]
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(w0.get, path_of(number), headers=ahead, timeout=30) for _ in range(3)]
        try:
            refused = eventually(lambda: next((each for each in asked if each.done()), None))
            assert refused
            problem(refused.result(), 429, "too_many")
            assert w0.get(path_of(number)).status_code == 200, "what waits for nothing"
        finally:
            state.inputs = {EVENTS: 1000}
            there.store_reader.moved(1)
    assert sorted(each.result().status_code for each in asked) == [200, 200, 429]


def test_nobody_known_is_no_worker_even_where_a_query_is_public(mixed: Mixed) -> None:
    """What workers say to each other is answered to workers only."""
    claimed = {FORWARDED: "old", PARTITIONS: "1"}
    assert mixed.new.nobody.get("/queries/FindStalls").status_code == 200
    problem(mixed.new.nobody.get("/queries/FindStalls", headers=claimed), 401, "unauthenticated")
    problem(mixed.new.nobody.get("/queries/FindStalls", headers={FORWARDED: ""}), 401, "unauthenticated")


def test_workers_of_another_secret_are_strangers(tmp_path: Path) -> None:
    with three(tmp_path, (WORKERS_SECRET, WORKERS_SECRET, SECRET)) as opened:
        w0 = opened.workers["w0"].operator
        problem(w0.get(path_of(number_in(2, opened.tables["w0"]))), 503, "owner_unreachable")
        assert w0.get("/tables/shelves").json()["missing_partitions"] == [2]
