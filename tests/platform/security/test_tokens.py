"""Tokens and signatures of verbwire's own: each worth something for one purpose only."""

from __future__ import annotations

import pytest

from verbwire.errors import ConfigurationError
from verbwire.secrets import internal_secret
from verbwire.security.tokens import mint_token, sign, verify
from verbwire.settings import Settings

SECRET = "a secret that is long enough for HS256, truly"


def test_a_signature_holds_for_its_secret_label_and_data_only() -> None:
    signature = sign(SECRET, "outcome", b"data")
    assert verify(SECRET, "outcome", b"data", signature)
    assert not verify(SECRET + "!", "outcome", b"data", signature)
    assert not verify(SECRET, "outcom", b"edata", signature)
    assert not verify(SECRET, "outcome", b"data ", signature)
    assert not verify(SECRET, "outcome", b"data", signature[:-1])


def test_the_workers_secret_is_derived_from_the_one_of_http_and_is_another() -> None:
    one = internal_secret(Settings(bootstrap="localhost:9092", http_secret=SECRET))
    assert one == internal_secret(Settings(bootstrap="localhost:9092", http_secret=SECRET)) != SECRET
    assert one != internal_secret(Settings(bootstrap="localhost:9092", http_secret=SECRET + "!"))
    assert (
        internal_secret(Settings(bootstrap="localhost:9092", http_secret=SECRET, http_internal_secret=SECRET)) == SECRET
    )


def test_the_workers_secret_has_to_be_set_with_an_identity_provider() -> None:
    assert internal_secret(Settings(bootstrap="localhost:9092", http_jwks_url="https://example.org/keys")) is None


@pytest.mark.parametrize("settings", [{"http_internal_secret": "short"}, {"http_secret": "short"}])
def test_a_short_secret_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="openssl rand"):
        mint_token(internal_secret(Settings(bootstrap="localhost:9092", **settings)) or "", "ann", [])  # type: ignore[arg-type]
