"""Whether Kafka is reached, and why not, in librdkafka's own words.

It passes those to a callback; a call that waits for an answer only learns that its time is over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.kafka.denials import is_denied
from verbwire.kafka.librdkafka import LOGGED
from verbwire.redaction import shown_address, without_secrets

_SILENT_SECONDS = 30.0  # a broker that takes the connection may be busy
_REFUSED_SECONDS = 10.0  # no listener: perhaps not yet
_POLL_SECONDS = 0.05
# Trying again does not help.
_NOT_LET_IN = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
_NO_NEWS = frozenset({KafkaError._ALL_BROKERS_DOWN})  # follows on another, which has more detail


class ConnectionErrors:
    """What stands between a client and its brokers; `note` is to be its ``error_cb``."""

    def __init__(self) -> None:
        self.not_let_in: str | None = None  # by a check of certificates or passwords
        self.last: str | None = None
        self.denied = False  # an ACL is in the way

    def note(self, error: KafkaError) -> None:
        """Remember an error. Called by librdkafka, within a call of the client's ``poll``."""
        if error.code() in _NOT_LET_IN:
            self.not_let_in = error.str()
        self.denied = self.denied or is_denied(error)
        if error.code() not in _NO_NEWS:
            self.last = error.str()

    def told(self, otherwise: str) -> str:
        """Return the best reason that there is."""
        return self.not_let_in or self.last or otherwise


def require_kafka(kafka: Mapping[str, Any]) -> int:
    """Return how many brokers there are, when the cluster has answered; `kafka` are librdkafka's properties.

    :class:`ConfigurationError` when they are not accepted; :class:`UnavailableError` at once when certificate or
    password are not, after 10 s when connections are refused, after 30 s when there is no answer.
    """
    obstacles, where = ConnectionErrors(), f"Kafka at {shown_address(kafka['bootstrap.servers'])}"
    try:
        client = AdminClient({**LOGGED, **kafka, "log_level": 0, "error_cb": obstacles.note})
    except (KafkaException, TypeError, ValueError) as error:
        raise unusable(error) from error
    began = time.monotonic()
    answer = client.describe_cluster(request_timeout=_SILENT_SECONDS)
    while not answer.done():
        client.poll(_POLL_SECONDS)
        if obstacles.not_let_in:
            raise UnavailableError(
                f"{where} does not let us in: {obstacles.not_let_in}; see kafka (VERBWIRE_KAFKA) in `verbwire config`"
            )
        if obstacles.last and time.monotonic() - began > _REFUSED_SECONDS:
            raise UnavailableError(f"{where} cannot be reached: {obstacles.last}")
    try:
        return len(answer.result().nodes)
    except KafkaException as error:
        encrypted = str(kafka.get("security.protocol", "")).upper().endswith("SSL")
        hint = "" if encrypted else " (a listener that requires TLS does not answer others: see security.protocol)"
        raise UnavailableError(f"{where} does not answer: {obstacles.told(error.args[0].str())}{hint}") from error


def unusable(error: Exception) -> ConfigurationError:
    """Return what is said of properties that librdkafka does not take."""
    said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    return ConfigurationError(
        f"kafka settings (VERBWIRE_BOOTSTRAP, [tool.verbwire.kafka], VERBWIRE_KAFKA): {without_secrets(said)}"
    )
