"""What is shown of addresses and properties holds no password, whatever it is made of."""

from __future__ import annotations

import logging

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kit.cluster import Cluster
from verbwire.client.base.connection import Connection
from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.redaction import shown_address, shown_properties, without_secrets
from verbwire.settings import Settings
from verbwire.wire.registry.client import Registry

SCHEMES = ["", "http://", "https://", "SASL_SSL://", "kafka+ssl://", "PLAINTEXT://"]
ANY = st.text(st.characters(blacklist_categories=["Cs"]), min_size=4, max_size=20)
IN_A_WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20)
SECRET_NAMES = [
    *("sasl.password", "ssl.key.password", "ssl.key.passphrase", "ssl.truststore.password", "sasl.jaas.config"),
    *("sasl.kerberos.kinit.cmd", "ssl.key.pem", "ssl.certificate.pem", "sasl.oauthbearer.client.secret"),
    *("sasl.oauthbearer.config", "sasl.oauthbearer.assertion.private.key.passphrase", "sasl.oauthbearer.extensions"),
    *("basic.auth.user.info", "bearer.auth.token", "bearer.auth.client.secret", "schema.registry.basic.auth.user.info"),
]


@given(st.sampled_from(SCHEMES), ANY)
def test_a_password_in_an_address_is_not_shown(scheme: str, password: str) -> None:
    shown = shown_address(f"{scheme}ann:{password}@kafka.example:9092")
    assert shown == f"{scheme}***@kafka.example:9092"


@given(st.sampled_from(SCHEMES), ANY, ANY)
def test_a_password_in_a_list_of_bootstrap_servers_is_not_shown(scheme: str, first: str, second: str) -> None:
    shown = shown_address(f"{scheme}ann:{first}@k1.example:9092,{scheme}bob:{second}@k2.example:9092")
    rest = f"{scheme}***@k2.example:9092"
    assume(first not in rest)
    assume(second not in rest)
    assert first not in shown
    assert second not in shown
    assert shown.endswith("@k2.example:9092")


@given(st.text("abcdefghijklmnop0123456789!$/:%", min_size=4))
def test_a_password_among_the_parameters_is_not_shown(secret: str) -> None:
    shown = shown_address(f"https://registry.example/apis?tenant={secret}&api_key={secret}#{secret}")
    assert shown == "https://registry.example/apis?tenant=***&api_key=***#***"


@given(st.sampled_from(SCHEMES), IN_A_WORD)
def test_a_password_in_a_text_that_quotes_the_address_is_not_shown(scheme: str, password: str) -> None:
    shown = without_secrets(f"Failed to resolve '{scheme}ann:{password}@kafka.example:9092': try again")
    assume(password not in "Failed to resolve '***@kafka.example:9092': try again" + scheme)
    assert password not in shown
    assert shown.endswith("@kafka.example:9092': try again")


@pytest.mark.parametrize("text", ["skip group@topic/0/1", "shop.carts.events/0@12, shop.carts.events/1@7", "10:15 on"])
def test_a_text_without_an_address_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


@given(st.sampled_from(SECRET_NAMES), ANY)
def test_properties_that_are_or_hold_secrets_are_masked(name: str, secret: str) -> None:
    assert shown_properties({name: secret, name.upper(): secret}) == f"{name.upper()}=***, {name}=***"


def test_other_properties_are_shown() -> None:
    given = {
        "security.protocol": "SASL_SSL",
        "sasl.username": "ann",
        "ssl.key.location": "/etc/kafka/key.pem",
        "proxy": "http://ann:pw@proxy:3128",
    }
    assert shown_properties(given) == (
        "proxy=http://***@proxy:3128, sasl.username=ann, security.protocol=SASL_SSL, "
        "ssl.key.location=/etc/kafka/key.pem"
    )


@pytest.mark.parametrize("bootstrap", ["ann:nev@er@kafka:9092", "SASL_SSL://ann:never@kafka:9092", "k1:1,a:never@k2:2"])
def test_no_client_is_made_with_a_password_before_a_host(bootstrap: str) -> None:
    """librdkafka would look up the whole as a host, and say so on stderr."""
    with pytest.raises(ConfigurationError, match=r"sasl\.username and sasl\.password") as no:
        Settings(bootstrap=bootstrap)
    assert "er@" not in str(no.value)
    with pytest.raises(ConfigurationError, match=r"sasl\.username"):
        Connection(bootstrap, "http://registry", Settings().names, None)  # type: ignore[arg-type]


@pytest.mark.kafka
def test_the_registrys_address_tells_no_password_to_any_log(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scheme, _, rest = cluster.registry_url.partition("://")
    registry = Registry(f"{scheme}://ann:never/sh@wn@{rest}")
    assert isinstance(registry.all_subjects(), list)
    assert "HTTP Request" in caplog.text
    assert "never" not in caplog.text
    with pytest.raises(UnavailableError) as no:
        Registry("http://ann:never@sh@wn@127.0.0.1:1", {"max.retries": 0}).all_subjects()
    assert "never" not in str(no.value)
    with pytest.raises(ConfigurationError, match=r"another in basic\.auth\.user\.info") as two:
        Registry("http://ann:never@127.0.0.1:1", {"basic.auth.user.info": "bob:never"})
    assert "never" not in str(two.value)
