"""Finds the URL that this worker announces for its HTTP."""

from __future__ import annotations

from urllib.parse import urlsplit

from verbwire.errors import ConfigurationError
from verbwire.security.hosts import WILDCARDS, base_url, own_host
from verbwire.settings import Settings


def url_of(settings: Settings, port: int) -> str:
    """Return where others reach this worker's HTTP, which listens on `port`.

    ConfigurationError where the settings name a plain address and HTTP is TLS: no request would get through.
    """
    tls = settings.tls_files is not None
    if settings.http_advertised_url:
        url = base_url(settings.http_advertised_url, "http_advertised_url")
        if tls and urlsplit(url).scheme != "https":
            raise ConfigurationError(
                f"http_advertised_url (VERBWIRE_HTTP_ADVERTISED_URL) is {url}, but HTTP is TLS here "
                "(http_tls_certificate): write https://"
            )
        return url
    host, scheme = own_host() if settings.http_host in WILDCARDS else settings.http_host, "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
