"""Addresses and properties as they may be shown: a password in one is nobody's business.

Rather too much is masked than too little: passwords hold ``@``, ``/``, ``,`` and ``:``, whatever RFC 3986 says of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "***"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*://")
_PARAMETERS = re.compile(r"([?&;][^=&;#\s]*=)[^&;#\s]*")
_FRAGMENT = re.compile(r"#.*", re.DOTALL)
# What stands before a host somewhere in a text: behind a scheme, or with a colon of its own, as in user:password@host.
_IN_TEXT = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*://)\S*@|(?<![\w@])[^\s:@/'\"(\[{]+:\S*@(?=[\w\[])")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*://[^\s'\"<>]+")
# Parts of the names of properties (librdkafka, Java clients, Confluent's registry client) whose values are secrets.
_SECRET = re.compile(
    r"pass|secret|token|user\.?info|credential|key|config|cmd|jaas|pem|assertion|extensions|private|login|header|cookie",
    re.IGNORECASE,
)
_PLACES = (".location", "_location")  # of files: not what is in them


def shown_address(address: str) -> str:
    """Return an address, or a list of them, without what may be a secret in it.

    ``***`` stands for everything between the scheme and the last ``@``, since a password may hold any character, and
    for the values of query parameters and the fragment.
    """
    _, at, host = address.rpartition("@")
    scheme = _SCHEME.match(address)
    shown = f"{scheme[0] if scheme else ''}{MASK}@{host}" if at else address
    return _FRAGMENT.sub(f"#{MASK}", _PARAMETERS.sub(rf"\1{MASK}", shown))


def shown_properties(properties: Mapping[str, str]) -> str:
    """Return properties of a client as ``name=value, ...``, sorted, those masked that are or may hold a secret."""
    return ", ".join(f"{name}={_shown_property(name, value)}" for name, value in sorted(properties.items()))


def without_secrets(text: str) -> str:
    """Return a text of others, a library's error for instance, without passwords in the addresses that it quotes."""
    masked = _IN_TEXT.sub(lambda found: f"{found[1] or ''}{MASK}@", text)
    return _URL.sub(lambda found: _PARAMETERS.sub(rf"\1{MASK}", found[0]), masked)


def _shown_property(name: str, value: str) -> str:
    if _SECRET.search(name) and not name.endswith(_PLACES):
        return MASK
    return shown_address(value)
