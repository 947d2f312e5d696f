"""An issuer of tokens that answers a byte at a time, while strangers show keys that it has never had."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from tests.attack.trying import tried
from tests.kit.http import Http, serving
from tests.platform.http.access import test_jwks
from tests.platform.http.access.test_jwks import ISSUER, OTHER_KEY, RSA_KEY, Issuer, status, token
from verbwire.http.access.auth import AuthSettings
from verbwire.http.access.jwks import KeyRefresh

pytestmark = pytest.mark.attack
issuer = test_jwks.issuer

SECONDS = 25
SLOWEST = 1.0  # seconds, for whoever shows a known key
OFTEN = KeyRefresh(fresh_seconds=1.0)
INVENTED = 50  # keys between two good ones


@pytest.fixture
def http(issuer: Issuer) -> Iterator[Http]:
    with serving(settings=AuthSettings(issuer=ISSUER, jwks_url=issuer.url, refresh=OFTEN)) as running:
        yield running


def test_invented_keys_and_an_issuer_that_drips(http: Http, issuer: Issuer) -> None:
    assert status(http, token(RSA_KEY)) == 200
    issuer.drip.set()
    asked, good, began = issuer.asked, list[float](), time.monotonic()
    with tried("unknown keys in front of an issuer that drips") as t:
        while time.monotonic() - began < SECONDS:
            start = time.monotonic()
            assert status(http, token(RSA_KEY, seconds=900 + t.inputs)) == 200
            good.append(time.monotonic() - start)
            for _ in range(INVENTED):
                assert status(http, token(OTHER_KEY, f"invented {t.inputs}")) == 401
                t.inputs += 1
        asked = issuer.asked - asked
        t.told = (
            f"{asked} requests to the issuer; whoever shows a good key has waited {statistics.median(good) * 1000:.1f} "
            f"ms, {max(good) * 1000:.0f} at most"
        )
        assert asked <= SECONDS / OFTEN.pause_seconds + 1
        assert max(good) < SLOWEST
