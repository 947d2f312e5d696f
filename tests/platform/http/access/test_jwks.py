"""Tokens of an identity provider: its public keys are fetched, rotated, and outlive its absence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.kit.cluster import eventually
from tests.kit.http import Http, problem, serving
from verbwire.errors import ConfigurationError
from verbwire.http.access.auth import AuthSettings
from verbwire.http.access.jwks import KeyRefresh, KeySet
from verbwire.security.tokens import AUDIENCE, OPERATOR

ISSUER = "https://identity.example"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
DRIP = 0.05  # seconds between two bytes: a whole answer takes half a minute
EC_KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Issuer:
    """An identity provider's key endpoint."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    asked: int = 0
    url: str = ""
    drip: threading.Event = field(default_factory=threading.Event)  # while it is set, a byte comes now and then


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    this = Issuer(keys=[public("rsa", RSA_KEY)])

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            this.asked += 1
            body = json.dumps({"keys": this.keys}).encode()
            self.send_response(this.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for byte in body if this.drip.is_set() else b"":
                    self.wfile.write(bytes((byte,)))
                    self.wfile.flush()
                    time.sleep(DRIP)
                self.wfile.write(body)
            except OSError:
                pass  # nobody waits for it any more

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    this.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield this
    server.shutdown()
    thread.join()
    server.server_close()


EAGER = KeyRefresh(fresh_seconds=0.0, pause_seconds=0.0)


def checked_by(issuer: Issuer, refresh: KeyRefresh = KeyRefresh()) -> AbstractContextManager[Http]:
    return serving(settings=AuthSettings(issuer=ISSUER, jwks_url=issuer.url, refresh=refresh))


@pytest.fixture
def http(issuer: Issuer) -> Iterator[Http]:
    with checked_by(issuer) as running:
        yield running


@pytest.fixture
def eager(issuer: Issuer) -> Iterator[Http]:
    """A worker that asks for the keys again and again."""
    with checked_by(issuer, EAGER) as running:
        yield running


def public(key_id: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        written: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return {**written, "kid": key_id, "use": "sig", "alg": "RS256"}
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}


def token(key: Any, key_id: str | None = "rsa", algorithm: str = "RS256", seconds: float = 600) -> dict[str, str]:
    now = time.time()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "olga", "scope": OPERATOR, "exp": int(now + seconds), "n": now}
    headers = {} if key_id is None else {"kid": key_id}
    return {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm, headers=headers)}"}


def status(http: Http, headers: dict[str, str]) -> int:
    return http.nobody.get("/tables", headers=headers).status_code


def test_a_token_of_the_issuer_opens_and_its_keys_are_fetched_once(http: Http, issuer: Issuer) -> None:
    issuer.keys.append(public("ec", EC_KEY))
    for _ in range(3):
        assert status(http, token(RSA_KEY)) == 200
        assert status(http, token(EC_KEY, "ec", "ES256")) == 200
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "headers",
    [
        token(OTHER_KEY),
        token(OTHER_KEY, "unknown"),
        token(RSA_KEY, None),
        token(RSA_KEY, seconds=-60),
        token(RSA_KEY, algorithm="PS256"),
        token(EC_KEY, algorithm="ES256"),
        token("s" * 32, algorithm="HS256"),
    ],
    ids=["another key", "unknown key", "no key id", "expired", "not the key's algorithm", "key of a kind", "secret"],
)
def test_a_token_of_anybody_else_does_not(http: Http, headers: dict[str, str]) -> None:
    problem(http.nobody.get("/tables", headers=headers), 401, "unauthenticated")


def test_the_public_key_is_not_a_shared_secret(http: Http) -> None:
    """The oldest trick: sign with HS256 and the public key, which everybody has."""
    pem = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    good = token(RSA_KEY)["Authorization"].removeprefix("Bearer ")
    payload = json.dumps(jwt.decode(good, options={"verify_signature": False})).encode()
    forged = jwt.api_jws.PyJWS().encode(payload, pem.hex(), "HS256", headers={"kid": "rsa"})
    assert status(http, {"Authorization": f"Bearer {forged}"}) == 401


def test_a_new_key_is_taken_up(issuer: Issuer) -> None:
    with checked_by(issuer, KeyRefresh(pause_seconds=0.0)) as http:
        assert status(http, token(RSA_KEY)) == 200
        issuer.keys.append(public("new", OTHER_KEY))
        assert status(http, token(OTHER_KEY, "new")) == 200


def test_an_issuer_is_not_flooded_by_invented_key_ids(http: Http, issuer: Issuer) -> None:
    for number in range(20):
        assert status(http, token(OTHER_KEY, f"invented {number}")) == 401
    assert issuer.asked == 1


def test_a_withdrawn_key_ends(eager: Http, issuer: Issuer) -> None:
    issuer.keys.append(public("ec", EC_KEY))
    assert status(eager, token(RSA_KEY)) == 200
    del issuer.keys[0]
    eventually(lambda: status(eager, token(RSA_KEY, seconds=700)) == 401)


def test_known_keys_outlive_the_issuers_absence(eager: Http, issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    assert status(eager, token(RSA_KEY)) == 200
    for trouble in (503, 200):
        issuer.status, issuer.keys = trouble, []
        assert status(eager, token(RSA_KEY, seconds=800)) == 200
    eventually(lambda: "stay in use" in caplog.text)


def test_an_issuer_without_keys_is_a_503_and_no_401(issuer: Issuer) -> None:
    issuer.status = 500
    with checked_by(issuer, KeyRefresh(pause_seconds=0.1)) as http:
        answer = http.nobody.get("/tables", headers=token(RSA_KEY))
        assert issuer.url not in str(problem(answer, 503, "no_keys"))
        assert answer.headers["retry-after"]
        issuer.status = 200
        eventually(lambda: status(http, token(RSA_KEY)) == 200)


def test_a_slow_issuer_delays_no_token_of_a_known_key(eager: Http, issuer: Issuer) -> None:
    assert status(eager, token(RSA_KEY)) == 200
    issuer.drip.set()
    began = time.monotonic()
    for number in range(5):
        assert status(eager, token(RSA_KEY, seconds=800 + number)) == 200
    assert time.monotonic() - began < 1
    # The keys are due, and being asked for: by another thread, in its own time.
    assert eventually(lambda: status(eager, token(RSA_KEY, seconds=900)) == 200 and issuer.asked > 1)


def test_a_slow_issuer_is_waited_for_until_one_deadline(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.drip.set()
    with checked_by(issuer, KeyRefresh(answer_seconds=0.5)) as http:
        began = time.monotonic()
        problem(http.nobody.get("/tables", headers=token(RSA_KEY)), 503, "no_keys")
        assert time.monotonic() - began < 3
    assert "no answer within" in caplog.text


@pytest.mark.parametrize(
    ("status_code", "keys", "why"),
    [
        (302, [], "redirects are not followed"),
        (200, [], "no set of keys"),
        (200, [{"kty": "RSA", "n": 5, "kid": "a"}], "no set of keys"),
        (200, [{"kty": "oct", "k": "x" * 300_000}], "more than"),
        (200, [{k: v for k, v in public("rsa", RSA_KEY).items() if k != "kid"}], "no key for signatures"),
    ],
    ids=["a redirect", "empty", "nonsense", "too large", "no id"],
)
def test_a_jwks_that_is_no_set_of_keys_is_none(
    http: Http, issuer: Issuer, caplog: pytest.LogCaptureFixture, status_code: int, keys: list[Any], why: str
) -> None:
    issuer.status, issuer.keys = status_code, keys
    problem(http.nobody.get("/tables", headers=token(RSA_KEY)), 503, "no_keys")
    assert why in caplog.text


@pytest.mark.parametrize("url", ["file:///etc/hostname", "http://identity.example/k", "http://203.0.113.7/k", "keys"])
def test_keys_come_from_where_nobody_else_can_put_them(url: str) -> None:
    with pytest.raises(ConfigurationError, match="VERBWIRE_HTTP_JWKS_URL"):
        KeySet(url)


def test_an_issuer_without_encryption_is_refused_unless_it_is_here() -> None:
    AuthSettings(issuer="http://127.0.0.1:8080/realms/a", jwks_url="http://localhost:8080/keys")
    AuthSettings(issuer="https://identity.example", jwks_url="https://identity.example/keys")
    with pytest.raises(ConfigurationError, match="VERBWIRE_HTTP_ISSUER"):
        AuthSettings(issuer="http://identity.example", jwks_url="https://identity.example/keys")
