"""Commands over HTTP, from a client's request through Kafka to a real worker's answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from tests.kit.bank import Bank
from tests.kit.cluster import Cluster, eventually
from tests.kit.http import problem
from tests.kit.worker import SECRET, TELLER, Branch, Running, branch
from verbwire.http.base import limits
from verbwire.http.commands.outcome_links import OutcomeLinks
from verbwire.security.tokens import OPERATOR, mint_token, sign
from verbwire.wire.headers import Headers
from verbwire.wire.outcome_tokens import OutcomeToken

pytestmark = pytest.mark.kafka

PUT, TAKE, SEAL, DUST = "/commands/PutCoins", "/commands/bank.jars.TakeCoins", "/commands/SealJar", "/commands/DustJar"


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Bank]:
    opened = Bank(cluster, f"c{uuid.uuid4().hex[:10]}", 2)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def project(town: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    with branch(tmp_path_factory.mktemp("project"), town) as opened:
        opened.write("consumers/jars.py", TELLER)
        yield opened


@pytest.fixture(scope="module")
def worker(project: Branch) -> Running:
    return project.start("consumers").ready()


def token_of(actor: str, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(SECRET, actor, scopes)}"}


def client(worker: Running, actor: str, *scopes: str) -> httpx.Client:
    return httpx.Client(base_url=worker.url(), headers=token_of(actor, *scopes), timeout=40)


@pytest.fixture(scope="module")
def ann(worker: Running) -> Iterator[httpx.Client]:
    with client(worker, "ann") as opened:
        opened.post(PUT, json={"jar_id": "first", "pence": 1})  # the first one connects to Kafka
        yield opened


@pytest.fixture(scope="module")
def bob(worker: Running) -> Iterator[httpx.Client]:
    with client(worker, "bob", "jars:write") as opened:
        yield opened


@pytest.fixture
def jar() -> str:
    return uuid.uuid4().hex


def test_an_accepted_command_is_answered_with_its_reply(ann: httpx.Client, jar: str) -> None:
    answer = ann.post(SEAL, json={"jar_id": jar})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["outcome"], body["reply"]) == ("accepted", {"jar_id": jar, "number": 7, "text": "Zwölf"})
    assert body["id"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "verbwire-position" not in answer.headers  # nothing happened


def test_an_outcome_that_this_worker_decides_does_not_travel(ann: httpx.Client, town: Bank, jar: str) -> None:
    def told() -> list[Any]:
        return [each.key for number in range(12) for each in town.read(town.names.replies(), number, 0)]

    before = told()
    for pence in range(3):
        assert ann.post(PUT, json={"jar_id": jar, "pence": pence + 1}).status_code == 200
    assert told() == before


def test_read_your_writes_positions_are_told_with_the_outcome(ann: httpx.Client, town: Bank, jar: str) -> None:
    answer = ann.post(PUT, json={"jar_id": jar, "pence": 5})
    assert answer.json()["reply"] is None
    topic, _, place = answer.headers["verbwire-position"].partition("=")
    partition, _, following = place.partition(":")
    assert topic == town.names.events("bank.jars")
    assert town.read(topic, int(partition))[-1].offset == int(following) - 1


def test_a_rejection_by_state_or_for_want_of_permission(ann: httpx.Client, bob: httpx.Client, jar: str) -> None:
    refused = problem(ann.post(PUT, json={"jar_id": jar, "pence": 0}), 409, "jar_full")
    assert (refused["outcome"], refused["detail"], refused["details"]) == ("rejected", "no coin fits", {"room": "0"})
    forbidden = problem(ann.post(TAKE, json={"jar_id": jar, "pence": 1}), 403, "forbidden")
    assert "jars:write" in forbidden["detail"]
    assert bob.post(TAKE, json={"jar_id": jar, "pence": 1}).status_code == 200


def test_without_permission_nothing_reaches_kafka_and_with_it_the_same_key_does(
    worker: Running, town: Bank, jar: str
) -> None:
    take, key = {"jar_id": jar, "pence": 1}, {"Idempotency-Key": f"take {jar}".replace(" ", "-")}
    with client(worker, "cleo") as without, client(worker, "cleo", "jars:write") as allowed:
        assert without.post(PUT, json=take).status_code == 200
        refused = problem(without.post(TAKE, json=take, headers=key), 403, "forbidden")
        assert refused["detail"] == "TakeCoins requires jars:write"
        assert (refused["outcome"], refused["details"]) == ("rejected", {})
        problem(without.post(TAKE, content=b"no JSON", headers=key), 403, "forbidden")
        accepted = allowed.post(TAKE, json=take, headers=key)
        assert (accepted.status_code, accepted.json()["id"]) == (200, refused["id"])
        assert allowed.post(TAKE, json=take, headers=key).json() == accepted.json()
    commands = town.names.commands("bank.jars")
    of_cleo = [each for p in range(2) for each in town.read(commands, p) if each.key == jar.encode()]
    assert [Headers(each.headers).type for each in of_cleo] == ["bank.jars.PutCoins", *["bank.jars.TakeCoins"] * 2]


def test_a_receiver_that_breaks_tells_nothing_of_why(ann: httpx.Client, jar: str) -> None:
    answer = ann.post(PUT, json={"jar_id": jar, "pence": 1, "how": "raises"})
    problem(answer, 500, "failed")
    assert "secret" not in answer.text
    assert "jars.py" not in answer.text


def test_an_expired_command_is_not_carried_out(ann: httpx.Client, jar: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ann.post, PUT, json={"jar_id": jar, "pence": 1, "how": "slow"})
        late = eventually(lambda: expired(ann, jar), 10, every=0)
        assert slow.result().status_code == 200
    problem(late, 504, "expired")


def expired(ann: httpx.Client, jar: str) -> Any:
    """Ask for what can only be done within a millisecond; sometimes it is."""
    answer = ann.post(PUT, json={"jar_id": jar, "pence": 1}, headers={"Verbwire-Ttl": "0.001"})
    return answer if answer.status_code != 200 else None


def test_the_actor_is_written_from_the_token_and_not_from_the_request(bob: httpx.Client, town: Bank, jar: str) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    claims = {
        "ce_actor": "eve",
        "ce_scopes": "all",
        "ce_id": "mine",
        "ce-actor": "eve",
        "traceparent": trace,
        "Verbwire-Correlation-Id": "flow-1",
        "Verbwire-Ttl": "30.5",
        "Idempotency-Key": "k1",
    }
    answer = bob.post(PUT, json={"jar_id": jar, "pence": 1}, headers=claims)
    place = answer.headers["verbwire-position"].partition("=")[2].partition(":")[0]
    record = next(each for each in town.read(town.names.commands("bank.jars"), int(place)) if each.key == jar.encode())
    headers = Headers(record.headers)
    assert (headers.actor, headers.scopes, headers.traceparent) == ("bob", ("jars:write",), trace)
    assert (headers.correlation_id, headers.ttl, headers.id) == ("flow-1", 30_500, answer.json()["id"])
    assert answer.json()["id"].endswith(":k1")


def test_an_idempotency_key_makes_the_same_command(ann: httpx.Client, bob: httpx.Client, town: Bank, jar: str) -> None:
    def put(who: httpx.Client, pence: int) -> httpx.Response:
        return who.post(PUT, json={"jar_id": jar, "pence": pence}, headers={"Idempotency-Key": '"once"'})

    first, again = put(ann, 3), put(ann, 3)
    assert (first.status_code, again.status_code, first.json()) == (200, 200, again.json())
    assert first.headers["verbwire-position"] == again.headers["verbwire-position"]
    problem(put(ann, 4), 422, "id_reused")
    other = put(bob, 4)  # the same key of somebody else is another command
    assert other.status_code == 200
    assert other.json()["id"] != first.json()["id"]
    events = [e for e in town.events(int(place(other))) if e.key == jar.encode()]
    assert len(events) == 2


def place(answer: httpx.Response) -> str:
    return answer.headers["verbwire-position"].partition("=")[2].partition(":")[0]


def test_a_command_that_nobody_answers_is_taken(ann: httpx.Client, jar: str) -> None:
    answer = ann.post(DUST, json={"jar_id": jar})
    assert (answer.status_code, answer.json()["outcome"]) == (202, "none")
    assert "location" not in answer.headers


def test_prefer_respond_async_returns_an_outcome_link(
    ann: httpx.Client, bob: httpx.Client, worker: Running, jar: str
) -> None:
    body = {"jar_id": jar, "pence": 1, "how": "slow"}
    answer = ann.post(PUT, json=body, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["outcome"]) == (202, "pending")
    assert answer.headers["preference-applied"] == "respond-async"
    link = answer.headers["location"]
    early = ann.get(link)
    assert (early.status_code, early.json()) == (202, answer.json())
    assert early.headers["retry-after"]
    later = eventually(lambda: known(ann, link))
    assert (later.status_code, later.json()) == (200, {"outcome": "accepted", "id": early.json()["id"], "reply": None})
    assert place(later)
    problem(bob.get(link), 404, "no_such_outcome")
    with client(worker, "olga", OPERATOR) as olga:
        assert olga.get(link).json() == later.json()


def known(who: httpx.Client, link: str) -> Any:
    """The answer to a link, unless it is that there is none yet."""
    answer = who.get(link)
    return answer if answer.status_code != 202 else None


def later(who: httpx.Client, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Send, do not wait, and return the document that is found in the end."""
    taken = who.post(path, json=body, headers={"Prefer": "respond-async", **headers})
    found = taken if taken.status_code != 202 else eventually(lambda: known(who, taken.headers["location"]))
    document: dict[str, Any] = found.json()
    return document


def test_any_worker_takes_commands_and_asks_the_receiver_for_outcomes(
    worker: Running, project: Branch, jar: str
) -> None:
    with client(project.start("streams", name="w2").ready(), "ann") as elsewhere:
        taken = elsewhere.post(PUT, json={"jar_id": jar, "pence": 1}, headers={"Prefer": "respond-async"})
        link, before = taken.headers["location"], asked_for_outcomes(worker)
        assert eventually(lambda: known(elsewhere, link)).json()["outcome"] == "accepted"
        # Once it knows its neighbour, it asks there.
        eventually(lambda: elsewhere.get(link).status_code == 200 and asked_for_outcomes(worker) > before)
        problem(elsewhere.get(link, headers=token_of("bob")), 404, "no_such_outcome")


def asked_for_outcomes(worker: Running) -> float:
    """How often the worker was asked what became of a command."""
    counted = re.findall(
        r'^verbwire_http_requests_total\{route="/outcomes/\{token\}".* (.*)$', worker.get("/metrics")[1], re.M
    )
    return sum(map(float, counted))


def test_every_outcome_is_found_later(ann: httpx.Client, jar: str) -> None:
    assert later(ann, SEAL, {"jar_id": jar})["reply"]["number"] == 7
    refused = later(ann, PUT, {"jar_id": jar, "pence": 0})
    assert (refused["outcome"], refused["code"]) == ("rejected", "jar_full")
    failed = later(ann, PUT, {"jar_id": jar, "pence": 1, "how": "raises"})
    assert failed["outcome"] == "failed"
    assert "secret" not in str(failed)
    key = {"Idempotency-Key": "x"}
    assert later(ann, PUT, {"jar_id": jar, "pence": 1}, **key)["outcome"] == "accepted"
    assert later(ann, PUT, {"jar_id": jar, "pence": 2}, **key)["code"] == "id_reused"


def test_an_outcome_that_is_kept_no_longer(ann: httpx.Client, jar: str) -> None:
    """A link that the worker has signed, to a command of which nothing is remembered."""
    secret = sign(SECRET, "verbwire:internal-secret", b"").hex()
    ann.post(PUT, json={"jar_id": jar, "pence": 1})
    partition = int(place(ann.post(PUT, json={"jar_id": jar, "pence": 1})))
    token = OutcomeToken(
        command="bank.jars.PutCoins", partition=partition, offset=0, timestamp=0, id="gone", fingerprint=b"x" * 16
    )
    problem(ann.get(OutcomeLinks(secret).path(token.encode(), "ann")), 410, "outcome_gone")


def test_prefer_wait_ends_the_wait(ann: httpx.Client, jar: str) -> None:
    body = {"jar_id": jar, "pence": 1, "how": "slow"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ann.post, PUT, json=body, headers={"Prefer": "wait=20"})
        second = ann.post(PUT, json={**body, "pence": 2}, headers={"Prefer": "wait=0"})
        assert (second.status_code, second.headers["preference-applied"]) == (202, "wait=0")
        assert (first.result().status_code, first.result().headers["preference-applied"]) == (200, "wait=20")


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "code"),
    [
        ("/commands/FillJar", "{}", {}, 404, "no_such_command"),
        ("/commands/CoinsPut", "{}", {}, 404, "no_such_command"),
        ("/commands/%ff", "{}", {}, 400, "bad_name"),
        (PUT + "?wait=1", "{}", {}, 400, "unknown_parameter"),
        (PUT, "{", {}, 400, "not_json"),
        (PUT, "", {}, 400, "not_json"),
        (PUT, '{"jar_id": "a"}', {}, 400, "not_the_contract"),
        (PUT, '{"jar_id": "", "pence": 1}', {}, 400, "out_of_bounds"),
        (PUT, '{"jar_id": "a", "pence": 1000000001}', {}, 400, "out_of_bounds"),
        (PUT, '{"jar_id": "a", "pence": 2147483648}', {}, 400, "not_the_contract"),
        (PUT, '{"jar_id": "a", "pence": 1, "actor": "eve"}', {}, 400, "not_the_contract"),
        (PUT, "{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (PUT, "{}", {"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        (PUT, "{}", {"Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
        (PUT, "{}", {"Idempotency-Key": "a b"}, 400, "bad_idempotency_key"),
        (PUT, "{}", {"Verbwire-Ttl": "0"}, 400, "bad_ttl"),
        (PUT, "{}", {"Verbwire-Ttl": "-1"}, 400, "bad_ttl"),
        (PUT, "{}", {"Verbwire-Correlation-Id": "a b"}, 400, "bad_correlation_id"),
        ("/outcomes/x", "", {}, 405, "method_not_allowed"),
    ],
)
def test_requests_that_are_refused_before_anything_is_sent(
    ann: httpx.Client, path: str, content: str, headers: dict[str, str], status: int, code: str
) -> None:
    sent = {"Content-Type": "application/json", **headers}
    found = problem(ann.post(path, content=content.encode(), headers=sent), status, code)
    if code == "not_the_contract":
        assert found["field"] in ("pence", "jar_id", "actor")


def test_bodies_have_limits(ann: httpx.Client) -> None:
    sent = {"Content-Type": "application/json"}
    large = b'{"jar_id": "' + b"x" * limits.BODY + b'"}'
    problem(ann.post(PUT, content=large, headers=sent), 413, "too_large")
    problem(ann.post(PUT, content=iter([b"{}"]), headers=sent), 411, "length_required")
    wrong = b'{"jar_id": "' + b"x" * limits.SHORT + b'"}'
    assert problem(ann.post(PUT, content=wrong, headers=sent), 400, "not_the_contract")["field"] == "pence"
    long = b'{"pence": 1, "jar_id": "a", "how": "' + b"x" * limits.SHORT + b'"}'
    assert ann.post(PUT, content=long, headers=sent).status_code == 200


def test_a_token_is_needed_to_send(worker: Running) -> None:
    problem(httpx.post(worker.url() + PUT, json={"jar_id": "a", "pence": 1}), 401, "unauthenticated")
    problem(httpx.post(worker.url() + "/commands/FillJar", json={}), 401, "unauthenticated")
    problem(httpx.get(worker.url() + "/outcomes/x"), 401, "unauthenticated")


def test_concurrent_commands_are_all_answered(ann: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: ann.post(PUT, json={"jar_id": f"many-{n}", "pence": n + 1}), range(200)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["id"] for each in answers}) == 200
