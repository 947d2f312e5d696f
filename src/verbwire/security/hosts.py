"""Hosts and base URLs: which of them are this machine's own, and how others name it."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from verbwire.errors import ConfigurationError

WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (compared with, not bound)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine are reached by that name or address.

    ``localhost`` is (RFC 6761, section 6.3), names below it are not: not every resolver keeps them from the DNS.
    """
    name = host.strip("[]").rstrip(".").lower()
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def are_loopback(servers: str) -> bool:
    """Whether that is so of all bootstrap servers: ``host:port,...``, each with a protocol before it or without."""
    return all(is_loopback(_host_of(each.strip())) for each in servers.split(","))


def _host_of(server: str) -> str:
    try:
        return urlsplit("//" + server.rpartition("://")[2]).hostname or ""
    except ValueError:
        return ""


def own_host() -> str:
    """Return the name by which other machines may know this one: the full one where it resolves, else the short one.

    A pod of a StatefulSet is known by its full name alone, a container by its short one.
    """
    short, full = socket.gethostname(), socket.getfqdn()
    if "." not in full or full.startswith("localhost") or full.endswith(".arpa"):
        return short
    try:
        socket.getaddrinfo(full, None)
    except OSError:
        return short
    return full


def base_url(text: str, setting: str) -> str:
    """Return a base URL without the slash at its end; ConfigurationError, which names the setting, where it is none.

    ``http://`` or ``https://``, a host, perhaps a port and a path; a principal is told by a token, never by the URL.
    """
    try:
        parts = urlsplit(text)
        wrong = parts.port == 0 or not parts.hostname
    except ValueError:
        wrong = True
    if wrong or parts.scheme not in ("http", "https") or parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{setting} (VERBWIRE_{setting.upper()}): write http://host:port or https://host:port, without user, query "
            "and fragment"
        )
    return text.rstrip("/")
