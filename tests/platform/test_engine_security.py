"""Security properties as they are written for librdkafka, read for Faust's consumer."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.platform.guarded_broker import write_certificates
from verbwire.engine.security import UNPROTECTED, Security, security_of
from verbwire.errors import ConfigurationError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    write_certificates(made)
    return made


def test_without_any_nothing_is_protected() -> None:
    assert security_of({"bootstrap.servers": "a:1", "socket.timeout.ms": "5"}) == UNPROTECTED
    assert security_of({"security.protocol": "PLAINTEXT"}) == UNPROTECTED


@pytest.mark.parametrize("name", ["sasl.mechanism", "sasl.mechanisms"])
@pytest.mark.parametrize("protocol", ["sasl_plaintext", "SASL_PLAINTEXT"])
def test_a_password_is_taken_over(name: str, protocol: str) -> None:
    given = {"security.protocol": protocol, name: "scram-sha-256", "sasl.username": "ann", "sasl.password": "p"}
    assert security_of(given) == Security("SCRAM-SHA-256", "ann", "p")
    assert "'p'" not in repr(security_of(given))


def test_certificates_are_verified_unless_told_otherwise(folder: Path) -> None:
    given = {"security.protocol": "ssl", "ssl.ca.location": str(folder / "authority.pem")}
    tls = security_of(given).tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    (authority,) = tls.get_ca_certs()
    assert (("commonName", "authority"),) in authority["subject"]  # this one, none of the machine's
    assert not tls.verify_flags & ssl.VERIFY_X509_STRICT  # not on 3.13 either: librdkafka is not so strict
    tls = security_of({**given, "ssl.endpoint.identification.algorithm": "none"}).tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, False)
    tls = security_of({**given, "enable.ssl.certificate.verification": "false"}).tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_NONE, False)
    pem = {"security.protocol": "ssl", "ssl.ca.pem": (folder / "authority.pem").read_text()}
    tls = security_of(pem).tls
    assert tls is not None
    assert tls.get_ca_certs() == [authority]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ssl.keystore.location": "k.p12"}, "ssl.keystore.location: name PEM files with ssl.certificate.location"),
        ({"ssl.key.pem": "never shown"}, "ssl.key.pem: name a file with ssl.key.location"),
        ({"ssl.cipher.suites": "x"}, "cannot honour ssl.cipher.suites"),
        ({"sasl.oauthbearer.method": "oidc"}, "cannot honour sasl.oauthbearer.method"),
        ({"security.protocol": "TLS"}, "security.protocol is none of PLAINTEXT, SSL"),
        ({"security.protocol": "SASL_SSL"}, "no sasl.mechanism GSSAPI: use one of PLAIN"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, "no sasl.mechanism OAUTHBEARER"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere/ca.pem"}, "certificates cannot be read"),
        ({"security.protocol": "SSL", "ssl.ca.pem": "never shown"}, "certificates cannot be read"),
        ({"security.protocol": "SSL", "ssl.certificate.location": "/nowhere/c.pem"}, "certificates cannot be read"),
    ],
)
def test_what_cannot_be_honoured_is_refused(more: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        security_of(more)
    assert said in str(refused.value)
    assert "never shown" not in str(refused.value)


def test_a_locked_key_is_never_asked_for_on_the_terminal(folder: Path) -> None:
    given = {
        "security.protocol": "ssl",
        "ssl.certificate.location": str(folder / "client.pem"),
        "ssl.key.location": str(folder / "client.locked.key"),
    }
    with pytest.raises(ConfigurationError, match=r"ssl\.key"):
        security_of(given)
    assert security_of({**given, "ssl.key.password": "sesame"}).tls is not None
