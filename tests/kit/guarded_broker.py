"""A Kafka that lets nobody in without a password or a certificate, but through one door for the tests' own clients."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.kit.cluster import eventually
from verbwire.embedded.artifacts import KAFKA, cache_folder
from verbwire.embedded.installation import install
from verbwire.embedded.kafka import Broker, Node, answers, program
from verbwire.embedded.ports import HOST, Ports
from verbwire.embedded.processes import stop
from verbwire.embedded.progress import Silent

USER, PASSWORD = "ann", "a password; nobody=else's"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


@dataclass(frozen=True)
class GuardedBroker:
    """Its doors, and the files that a client needs for them."""

    open: str  # no questions asked
    passwords: str  # TLS, and SASL by PLAIN or SCRAM-SHA-512
    certificates: str  # TLS, and a certificate of the client's
    authority: Path
    certificate: Path
    key: Path

    def by_password(self, mechanism: str, password: str = PASSWORD, user: str = USER) -> dict[str, str]:
        """Properties for the door of passwords."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": password,
            "ssl.ca.location": str(self.authority),
        }

    def by_certificate(self) -> dict[str, str]:
        """Properties for the door of certificates."""
        return {
            "security.protocol": "ssl",
            "ssl.ca.location": str(self.authority),
            "ssl.certificate.location": str(self.certificate),
            "ssl.key.location": str(self.key),
        }


@contextmanager
def guarded_broker(folder: Path, users: Sequence[str] = ()) -> Iterator[GuardedBroker]:
    """Start one of its own; it ends with the block.

    With `users`, who all have the one password, it has KRaft's authorizer: they may do what ACLs allow them. Whoever
    comes by the open door may do everything.
    """
    ports = Ports(cache_folder() / "ports")  # shared with the other stacks of this run
    node = Node(1, ports.take(), ports.take())
    found = GuardedBroker(
        open=node.address,
        passwords=f"{HOST}:{ports.take()}",
        certificates=f"{HOST}:{ports.take()}",
        authority=folder / "authority.pem",
        certificate=folder / "client.pem",
        key=folder / "client.key",
    )
    write_certificates(folder)
    broker = Broker(node, [node], folder, program(install([KAFKA], Silent())[KAFKA]))
    with (folder / f"{node.name}.properties").open("a") as file:  # the last line of a name counts
        file.writelines(
            f"{name}={value}\n" for name, value in {**_doors(found, node, folder, users), **_guard(users)}.items()
        )
    broker.prepare()
    child = broker.start()
    try:
        eventually(lambda: answers(node.address, 1), 60)
        admin = AdminClient({"bootstrap.servers": node.address})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
        for future in admin.alter_user_scram_credentials([wanted]).values():
            future.result()
        yield found
    finally:
        stop([child], 10)
        ports.release()


def _guard(users: Sequence[str]) -> dict[str, str]:
    return {"authorizer.class.name": _AUTHORIZER, "super.users": "User:ANONYMOUS"} if users else {}


def _doors(found: GuardedBroker, node: Node, folder: Path, users: Sequence[str]) -> dict[str, str]:
    quoted = PASSWORD.replace('"', '\\"')
    known = " ".join(f'user_{user}="{quoted}"' for user in (USER, *users))
    listeners = {
        "PLAINTEXT": node.address,
        "PASSWORDS": found.passwords,
        "CERTIFICATES": found.certificates,
        "CONTROLLER": f"{HOST}:{node.controller_port}",
    }
    protocols = "PLAINTEXT:PLAINTEXT,PASSWORDS:SASL_SSL,CERTIFICATES:SSL,CONTROLLER:PLAINTEXT"
    return {
        "listeners": ",".join(f"{name}://{address}" for name, address in listeners.items()),
        "listener.security.protocol.map": protocols,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(found.authority),
        "listener.name.certificates.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.passwords.plain.sasl.jaas.config": f"{_PLAIN} required {known};",
        "listener.name.passwords.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
    }


def write_certificates(folder: Path) -> None:
    """Write an authority, and certificates and keys of a broker and of a client."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority", authority_key, None, authority_key)
    (folder / "authority.pem").write_bytes(_pem(authority))
    for name in ("broker", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, authority, authority_key)
        private = _private(key, serialization.NoEncryption())
        (folder / f"{name}.pem").write_bytes(_pem(certificate))
        (folder / f"{name}.key").write_bytes(private)
        (folder / f"{name}.both.pem").write_bytes(private + _pem(certificate))
        (folder / f"{name}.locked.key").write_bytes(_private(key, serialization.BestAvailableEncryption(b"sesame")))


def _private(key: ec.EllipticCurvePrivateKey, locked: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now, subject = datetime.datetime.now(datetime.UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
