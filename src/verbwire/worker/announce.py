"""Announces this worker in the directory, and makes the other workers reachable for its HTTP."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from verbwire.discovery.announcer import Announcer
from verbwire.discovery.directory import Directory
from verbwire.http.forwarding.peers import Peers
from verbwire.security.tls import Authorities
from verbwire.worker.services import GroupHost, Services
from verbwire.worker.trust import Trust

log = logging.getLogger(__name__)


class Announcement:
    """Announces what is hosted here, and follows what the others announce."""

    def __init__(self, services: Services, groups: Sequence[GroupHost], directory: Directory, trust: Trust) -> None:
        name, codec, kafka = services.settings.worker, services.codec, services.kafka
        self._clock, self._outage = services.clock, services.outage
        self._announcer = Announcer(
            *(kafka, codec, name, lambda: [share for each in groups for share in each.shares()]),
            observe=self._heard,
            now_ms=self._clock.now_ms,
            sign=trust.sign,
        )
        for group in groups:
            for reader in (*(table.store_reader for table in group.tables), *group.readers):
                reader.changed = self._announcer.look
        self._directory, self._tokens = directory, trust.tokens
        self.peers = Peers(directory, name, trust.tokens, Authorities(services.settings.tls_ca))
        if trust.tokens is None:
            log.warning(
                "this worker answers for its own partitions only, and does not verify whom the directory names as "
                "alive: set http_internal_secret (VERBWIRE_HTTP_INTERNAL_SECRET), the same for all"
            )

    def _heard(self, broker_ms: int) -> None:
        """The broker has taken what this worker says of itself, and told its time."""
        self._clock.observe(broker_ms)
        self._outage.reached()

    def start(self, url: str) -> None:
        """Begin; `url` is where others reach this worker."""
        if self._tokens is not None:
            self._tokens.reached_at(url)
        self._directory.start()
        self._announcer.start(url)

    def leave(self) -> None:
        """Announce that this worker is stopping, so that no requests are sent to it; waits for the broker, bounded."""
        self._announcer.leave()

    def close(self) -> None:
        """Withdraw this worker from the directory, once HTTP has given its last answer."""
        self._announcer.close()
        self._directory.close()
