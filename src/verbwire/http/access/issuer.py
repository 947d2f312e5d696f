"""Fetches the public keys of an identity provider (RFC 7517), by one request that ends in time."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

import httpx2 as httpx
import jwt

from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.security.hosts import is_loopback

_MOST = 256 * 1024  # bytes of a key set
_KINDS = "application/jwk-set+json, application/json"


class Issuer:
    """Where the keys are. ConfigurationError for an address at which anybody between it and us could put in their own.

    Redirects are not followed: an address that is trusted is not another one.
    """

    def __init__(self, url: str, seconds: float) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ConfigurationError("http_jwks_url (VERBWIRE_HTTP_JWKS_URL) is no https:// address")
        require_encrypted(url, "http_jwks_url")
        self._url = url
        self._seconds = seconds
        self._tls = ssl.create_default_context()  # the machine's own authorities, read once: that takes a while

    async def keys(self) -> dict[str, jwt.PyJWK]:
        """Return the keys that tokens are signed with, by their ids; UnavailableError where there is no good answer."""
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._asked()
            return await asyncio.to_thread(_keys_in, body)
        except TimeoutError:
            raise UnavailableError(f"no answer within {self._seconds:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(f"{type(error).__name__}: {error}") from error

    async def _asked(self) -> bytes:
        body, headers = bytearray(), {"Accept": _KINDS, "Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(verify=self._tls, timeout=self._seconds) as client,
            client.stream("GET", self._url, headers=headers) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                hint = ": redirects are not followed" if answer.is_redirect else ""
                raise UnavailableError(f"it has answered with status {answer.status_code}{hint}")
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > _MOST:
                    raise UnavailableError(f"it has answered with more than {_MOST} bytes")
        return bytes(body)


def require_encrypted(url: str, setting: str) -> None:
    """Raise ConfigurationError for an http:// address of another machine."""
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"{setting} (VERBWIRE_{setting.upper()}) begins with http://: others on the way could forge principals; "
            "use https://. http:// is accepted for this machine's loopback address only"
        )


def _keys_in(body: bytes) -> dict[str, jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_json(body.decode()).keys
    except Exception as error:  # whatever a foreign document makes a parser raise, the known keys stay in use
        raise UnavailableError(f"its answer is no set of keys: {error}") from error
    found = {key.key_id: key for key in keys if key.key_id is not None and key.public_key_use in ("sig", None)}
    if not found:
        raise UnavailableError("its answer has no key for signatures that has an id")
    return found
