"""Where the cluster is: as the settings say, or the embedded stack that runs for this project."""

from __future__ import annotations

from verbwire.errors import ConfigurationError
from verbwire.settings import EMBEDDED, Settings


def addresses(settings: Settings) -> tuple[str, str]:
    """Return bootstrap servers and registry URL, those of the embedded stack where the settings say so.

    :class:`ConfigurationError` when that stack does not run.
    """
    if EMBEDDED not in (settings.bootstrap, settings.registry):
        return settings.bootstrap, settings.registry
    from verbwire.embedded.state import running_stack

    running = running_stack(settings.stack_folder)
    if running is None:
        raise ConfigurationError(
            "no embedded Kafka runs for this project: start one with `verbwire stack`, or name yours with "
            "VERBWIRE_BOOTSTRAP and VERBWIRE_REGISTRY"
        )
    bootstrap = running.bootstrap if settings.bootstrap == EMBEDDED else settings.bootstrap
    return bootstrap, running.registry_url if settings.registry == EMBEDDED else settings.registry


def kafka_properties(settings: Settings, bootstrap: str) -> dict[str, str]:
    """Return the librdkafka properties of every client."""
    return {**settings.kafka, "bootstrap.servers": bootstrap}
