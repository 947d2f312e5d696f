"""Who may ask: every way in which a token can be wrong has one answer, and what is not open is closed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from tests.kit.http import SECRET, SHELVES, Http, ShelfRow, Table, problem, serving, shelf
from verbwire.errors import ConfigurationError
from verbwire.http.access.auth import AuthSettings
from verbwire.principal import Principal
from verbwire.security.tokens import AUDIENCE, ISSUER, METRICS, OPERATOR, mint_token

CLOSED = ["/tables", "/tables/shelves", "/tables/shelves/shelf%2000001", "/tables/nothing", "/metrics", "/nothing", "/"]
NOW = int(time.time())
GOOD = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "olga",
    "scope": OPERATOR,
    "exp": NOW + 86_400,
}  # however long the suite takes


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    shelves = Table(tmp_path_factory.mktemp("tables"), SHELVES, ShelfRow)
    shelves.put([shelf(1)])
    with serving([shelves]) as running:
        yield running


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    kept = {name: value for name, value in {**GOOD, **claims}.items() if value is not None}
    # Below PyJWT's own checks: what a stranger signs need not be well formed.
    return jwt.api_jws.encode(json.dumps(kept).encode(), secret, algorithm)


def unsigned(**header: Any) -> str:
    parts = [header, GOOD]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


WRONG = {
    "no header": None,
    "empty": "",
    "no token": "Bearer",
    "another scheme": "Basic b2xnYTpvbGdh",
    "no scheme": signed(),
    "not a JWT": "Bearer abc",
    "not base64": "Bearer ü.ü.ü",
    "two tokens": f"Bearer {signed()}, Bearer {signed()}",
    "another secret": f"Bearer {signed(secret='another secret of thirty-two bytes')}",
    "signature cut": f"Bearer {signed()[:-2]}",
    "no signature": f"Bearer {unsigned(alg='none', typ='JWT')}",
    "none in capitals": f"Bearer {unsigned(alg='NONE')}",
    "another algorithm": f"Bearer {signed(algorithm='HS512')}",
    "critical extension": f"Bearer {unsigned(alg='HS256', crit=['x'])}",
    "another issuer": f"Bearer {signed(iss='https://elsewhere.example')}",
    "no issuer": f"Bearer {signed(iss=None)}",
    "another audience": f"Bearer {signed(aud='another')}",
    "no audience": f"Bearer {signed(aud=None)}",
    "expired": f"Bearer {signed(exp=NOW - 60)}",
    "no expiry": f"Bearer {signed(exp=None)}",
    "odd expiry": f"Bearer {signed(exp='soon')}",
    "not yet valid": f"Bearer {signed(nbf=NOW + 86_400)}",
    "no subject": f"Bearer {signed(sub=None)}",
    "empty subject": f"Bearer {signed(sub='')}",
    "odd subject": f"Bearer {signed(sub=7)}",
    "odd scope": f"Bearer {signed(scope=[OPERATOR])}",
}


def test_a_good_token_opens(http: Http) -> None:
    for token in (signed(), signed(aud=["x", AUDIENCE]), signed(scope=f"a {OPERATOR} b"), signed(exp=10**400)):
        for scheme in ("Bearer", "bearer"):
            answer = http.nobody.get("/tables/shelves/shelf%2000001", headers={"Authorization": f"{scheme} {token}"})
            assert answer.status_code == 200


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_without_a_token_is_401_whether_it_exists_or_not(http: Http, method: str, path: str) -> None:
    problem(http.nobody.request(method, path), 401, "unauthenticated")


@pytest.mark.parametrize("why", WRONG)
def test_every_wrong_token_has_the_same_answer(http: Http, why: str) -> None:
    value = WRONG[why]
    headers = {} if value is None else {b"Authorization": value.encode()}
    answer = http.nobody.get("/tables", headers=headers)
    usual = http.nobody.get("/nothing?a=b")
    problem(answer, 401, "unauthenticated")
    assert answer.content == usual.content
    assert answer.headers["www-authenticate"] == usual.headers["www-authenticate"] == 'Bearer realm="verbwire"'


def test_two_authorization_headers_are_refused(http: Http) -> None:
    token = f"Authorization: Bearer {signed()}\r\n"
    answer = http.raw(f"GET /tables HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}{token}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_refusal_takes_the_same_time_whatever_its_reason(http: Http) -> None:
    def took(why: str) -> float:
        began = time.perf_counter()
        http.nobody.get("/tables", headers={b"Authorization": (WRONG[why] or "").encode()})
        return time.perf_counter() - began

    reasons = ("not a JWT", "another secret", "another algorithm", "expired", "no subject")
    times = {why: min(took(why) for _ in range(15)) for why in reasons}  # the least disturbed of each
    assert max(times.values()) - min(times.values()) < 0.01, times
    assert min(times.values()) > 0.009, "a refusal is slower than any check"


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("scopes", ["", "carts:write", "verbwire:operators", "VERBWIRE:OPERATOR", "verbwire"])
def test_a_scope_that_is_missing_is_403_whether_the_path_exists_or_not(http: Http, path: str, scopes: str) -> None:
    answer = http.nobody.get(path, headers={"Authorization": f"Bearer {signed(scope=scopes)}"})
    problem(answer, 403, "forbidden")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    wanted = METRICS if path == "/metrics" else OPERATOR
    assert f'scope="{wanted}"' in answer.headers["www-authenticate"]


def test_a_token_ends_though_it_was_good_before(http: Http) -> None:
    """What is remembered of a token ends with it; the leeway for clocks is 5 s."""
    token = {"Authorization": f"Bearer {signed(exp=int(time.time()) - 3)}"}
    assert http.nobody.get("/tables", headers=token).status_code == 200
    deadline = time.monotonic() + 10
    while http.nobody.get("/tables", headers=token).status_code == 200:
        assert time.monotonic() < deadline


def test_a_minted_token_says_who_for_how_long() -> None:
    claims = jwt.decode(mint_token(SECRET, "ann", ["a", "b"], 60), options={"verify_signature": False})
    assert (claims["sub"], claims["scope"]) == ("ann", "a b")
    assert 55 <= claims["exp"] - time.time() <= 60


def test_settings_never_show_the_secret() -> None:
    settings = AuthSettings(secret=SECRET)
    assert SECRET not in repr(settings) + str(settings)
    assert "olga" in repr(Principal("olga", frozenset()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "VERBWIRE_HTTP_SECRET"),
        ({"secret": "s" * 32, "jwks_url": "https://keys.example/"}, "VERBWIRE_HTTP_JWKS_URL"),
        ({"secret": "short"}, "openssl"),
    ],
)
def test_settings_that_cannot_be_checked_with_are_refused(arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        AuthSettings(**arguments)  # type: ignore[arg-type] # on purpose
    assert "short" not in str(caught.value).replace("shorter", "")
