"""Caches the public keys of an identity provider: requests signed with a known key never wait for it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

import jwt

from verbwire.errors import UnavailableError
from verbwire.http.access.issuer import Issuer
from verbwire.http.base import problem_types
from verbwire.http.base.problem import unavailable

_log = logging.getLogger("verbwire.http")


@dataclass(frozen=True, slots=True)
class KeyRefresh:
    """How often the issuer is asked for its keys."""

    fresh_seconds: float = 600.0  # then asked again, for keys that were withdrawn; meanwhile the known ones are good
    old_seconds: float = 3600.0  # keys that are older are fetched again before they are used
    pause_seconds: float = 10.0  # between two attempts: invented key ids must not make the worker hammer the issuer
    answer_seconds: float = 3.0  # for a whole request, however slowly it is answered


class KeySet:
    """The issuer's keys by their id. Used on HTTP's loop only.

    They are asked for again in the background, by one request at a time, and a key that was seen stays good while the
    issuer cannot be reached. Who waits: whoever shows a key that is not known, for one attempt in ten seconds at most,
    and the first in an hour; each no longer than a request to the issuer may take (`answer_seconds`).
    """

    def __init__(self, url: str, refresh: KeyRefresh = KeyRefresh()) -> None:
        self._issuer = Issuer(url, refresh.answer_seconds)
        self._timing = refresh
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried = float("-inf")  # when the last attempt ended, whatever came of it
        self._failed = False  # whether nothing did
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: object) -> jwt.PyJWK:
        """Return the key; :class:`jwt.InvalidKeyError` for an id that the issuer does not know.

        Raises the 503 problem while no key was ever fetched: the token may be perfectly good.
        """
        age = time.monotonic() - self._tried
        if self._known(key_id) is None or age > self._timing.old_seconds:
            await self._refreshed()
        elif age > (self._timing.pause_seconds if self._failed else self._timing.fresh_seconds):
            self._refresh()
        if not self._keys:
            raise unavailable(problem_types.NO_KEYS, "the identity provider's keys cannot be fetched: ask again", 5)
        key = self._known(key_id)
        if key is None:
            raise jwt.InvalidKeyError("unknown key id")
        return key

    def _known(self, key_id: object) -> jwt.PyJWK | None:
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    async def _refreshed(self) -> None:
        """Wait for one attempt, however many ask for it; there is none within ten seconds of another."""
        if time.monotonic() - self._tried > self._timing.pause_seconds:
            self._refresh()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _refresh(self) -> None:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        self._failed = True
        try:
            self._keys = await self._issuer.keys()
            self._failed = False
        except UnavailableError as error:
            _log.warning("the identity provider's keys cannot be fetched, the known ones stay in use: %s", error)
        finally:
            self._tried = time.monotonic()
            self._fetching = None
