"""The public keys of a token issuer (RFC 7517), fetched off the loop and kept while the issuer is away."""

from __future__ import annotations

import asyncio
import logging
import time

import jwt

from verbwire.errors import ConfigurationError
from verbwire.http.problem import unavailable

_FRESH_SECONDS = 600.0  # then asked again, for keys that were withdrawn
_PAUSE_SECONDS = 10.0  # between two attempts: whoever invents key ids must not make us hammer the issuer
_TIMEOUT = 3.0
_log = logging.getLogger("verbwire.http")


class KeySet:
    """The issuer's keys by their id. A key that was seen stays good while the issuer cannot be reached."""

    def __init__(self, url: str) -> None:
        try:
            self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_TIMEOUT)
        except jwt.PyJWKClientError as error:
            raise ConfigurationError(f"http_jwks_url (VERBWIRE_HTTP_JWKS_URL): {error}") from error
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = 0.0
        self._tried = 0.0
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: object) -> jwt.PyJWK:
        """Return the key; :class:`jwt.InvalidKeyError` for an id that the issuer does not know.

        Raises the 503 problem while no key was ever fetched: the token may be perfectly good.
        """
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        stale = time.monotonic() - self._fetched > _FRESH_SECONDS
        if key is None or stale:
            await self._refresh()
            key = self._keys.get(key_id) if isinstance(key_id, str) else None
        if not self._keys:
            raise unavailable("no_keys", "the token issuer's keys cannot be reached: ask again", 5)
        if key is None:
            raise jwt.InvalidKeyError("unknown key id")
        return key

    async def _refresh(self) -> None:
        """Fetch once, however many ask at the same time, and not again for a while whatever came of it."""
        if self._fetching is None and (not self._tried or time.monotonic() - self._tried > _PAUSE_SECONDS):
            self._fetching = asyncio.create_task(self._fetch())
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            found = await asyncio.to_thread(self._client.get_signing_keys)
            self._keys = {key.key_id: key for key in found if key.key_id is not None}
            self._fetched = time.monotonic()
        except (jwt.PyJWTError, ValueError) as error:
            _log.warning("the keys of the token issuer cannot be fetched, the known ones stay in use: %s", error)
        finally:
            self._tried = time.monotonic()
            self._fetching = None
