"""The worker's TLS certificate: read from its files, and reloaded when they change."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from verbwire.errors import ConfigurationError
from verbwire.security.tls import FileWatch

_log = logging.getLogger("verbwire.http")


@dataclass(frozen=True, slots=True)
class _Loaded:
    context: ssl.SSLContext
    leaf: x509.Certificate


class Certificate:
    """A chain of certificates, the worker's own first, and its key, each a PEM file. Used on HTTP's loop only.

    Files that cannot be read are a :class:`ConfigurationError` at the start, and later one line in the log: the
    certificate that was read before is shown on. So a certificate is renewed by writing both files, in either order.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._watch = FileWatch(certificate, key)
        self._loaded = _load(certificate, key)
        self.failed = False  # whether the files as they are now could not be read
        self._tell_expired()

    @property
    def context(self) -> ssl.SSLContext:
        """What new connections are taken with."""
        return self._loaded.context

    @property
    def expires(self) -> datetime:
        """When the certificate that is shown ends."""
        return self._loaded.leaf.not_valid_after_utc

    def look(self) -> None:
        """Read the files again where one of them has changed: to be called now and then."""
        if not self._watch.changed():
            return
        try:
            self._loaded = _load(*self._files)
        except ConfigurationError as error:
            self.failed = True
            _log.error("%s; the certificate that expires at %s stays in use", error, self.expires)
            return
        self.failed = False
        _log.info("the certificate of %s was reloaded: it expires at %s", self._files[0], self.expires)
        self._tell_expired()

    def tell_of_host(self, host: str) -> None:
        """Tell where others will refuse the certificate, since it is not of the host by which they know this worker."""
        if not _is_of(self._loaded.leaf, host):
            _log.warning(
                "the certificate of %s does not name %s, this worker's announced host: other workers will refuse it; "
                "set http_advertised_url (VERBWIRE_HTTP_ADVERTISED_URL) to a host that it names",
                *(self._files[0], host),
            )

    def _tell_expired(self) -> None:
        if self.expires < datetime.now(UTC):
            _log.error("the certificate of %s expired at %s: clients refuse it", self._files[0], self.expires)


def _load(certificate: Path, key: Path) -> _Loaded:
    for setting, file in (("http_tls_certificate", certificate), ("http_tls_key", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise _wrong(setting, file, f"cannot be read: {error.strerror}") from error
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except ValueError as error:
        raise _wrong("http_tls_certificate", certificate, "holds no certificate in PEM") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # else OpenSSL asks on the terminal
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in (error.reason or ""):
            raise _wrong("http_tls_key", key, f"is not the key of {certificate}") from error
        raise _wrong("http_tls_key", key, "holds no key in PEM that can be read without a passphrase") from error
    return _Loaded(context, leaf)


def _wrong(setting: str, file: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"{setting} (VERBWIRE_{setting.upper()}): {file} {what}")


def _is_of(leaf: x509.Certificate, host: str) -> bool:
    """Whether a certificate names a host, as RFC 6125 has it: one label may be a star, addresses are written out."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = {each.lower() for each in names.get_values_for_type(x509.DNSName)}
    known |= {str(each) for each in names.get_values_for_type(x509.IPAddress)}
    name = host.strip("[]").lower()
    return name in known or f"*.{name.partition('.')[2]}" in known
