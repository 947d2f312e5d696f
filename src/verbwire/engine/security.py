"""How a stream worker proves who it is: librdkafka's security properties, read for aiokafka as well.

A project writes them once, in `kafka` of its settings. Every client of ours is librdkafka's but one, Faust's consumer;
a property that it could not honour is refused, never left out.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from verbwire.errors import ConfigurationError

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_KNOWN = frozenset(
    {
        *("security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"),
        *("ssl.ca.location", "ssl.ca.pem", "ssl.certificate.location", "ssl.key.location", "ssl.key.password"),
        *("enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm"),
    }
)
_INSTEAD = {
    "ssl.keystore.location": "name PEM files with ssl.certificate.location and ssl.key.location",
    "ssl.certificate.pem": "name a file with ssl.certificate.location",
    "ssl.key.pem": "name a file with ssl.key.location",
}


@dataclass(frozen=True, slots=True)
class Security:
    """What a connection needs besides an address."""

    mechanism: str | None = None  # of SASL; None: without
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None  # None: unencrypted


UNPROTECTED = Security()


def security_of(kafka: Mapping[str, str]) -> Security:
    """Return what these properties ask for.

    :class:`ConfigurationError` names a property that stream workers cannot honour, or that cannot be right.
    """
    for name in sorted(kafka):
        if name.startswith(("sasl.", "ssl.")) and name not in _KNOWN:
            instead = _INSTEAD.get(name, f"there are {', '.join(sorted(_KNOWN))}")
            raise ConfigurationError(f"kafka (VERBWIRE_KAFKA): stream workers cannot honour {name}: {instead}")
    protocol = kafka.get("security.protocol", "plaintext").upper()
    if protocol not in _PROTOCOLS:
        raise ConfigurationError(f"kafka (VERBWIRE_KAFKA): security.protocol is none of {', '.join(_PROTOCOLS)}")
    tls = _tls(kafka) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL"):
        return Security(tls=tls)
    mechanism = kafka.get("sasl.mechanism", kafka.get("sasl.mechanisms", "GSSAPI")).upper()
    if mechanism not in _MECHANISMS:
        raise ConfigurationError(
            f"kafka (VERBWIRE_KAFKA): stream workers know no sasl.mechanism {mechanism}: use one of "
            f"{', '.join(_MECHANISMS)}, or a client certificate (ssl.certificate.location)"
        )
    return Security(mechanism, kafka.get("sasl.username", ""), kafka.get("sasl.password", ""), tls)


def _tls(kafka: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context; like librdkafka, it verifies certificate and host name unless told otherwise."""
    place = kafka.get("ssl.ca.location", "probe")
    authorities = None if place == "probe" else Path(place)
    certificate = kafka.get("ssl.certificate.location")
    try:
        context = ssl.create_default_context(
            cafile=authorities if authorities and not authorities.is_dir() else None,
            capath=authorities if authorities and authorities.is_dir() else None,
            cadata=kafka.get("ssl.ca.pem"),
        )
        if certificate:
            # A password in any case: without one OpenSSL asks for it on the terminal, and waits.
            context.load_cert_chain(
                certificate, kafka.get("ssl.key.location"), password=kafka.get("ssl.key.password", "")
            )
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise ConfigurationError(
            "kafka (VERBWIRE_KAFKA): certificates cannot be read (ssl.ca.*, ssl.certificate.location, ssl.key.*): "
            f"{error}"
        ) from error
    verified = kafka.get("enable.ssl.certificate.verification", "true").lower() == "true"
    context.check_hostname = verified and kafka.get("ssl.endpoint.identification.algorithm", "https").lower() == "https"
    context.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
    # Python 3.13 asks more of an authority's certificate (key identifiers) than librdkafka does: without this, a
    # worker's producers would believe a broker that its consumer refuses.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
