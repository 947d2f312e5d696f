"""The connection of the console's looks, with the names of what serves now: a table may be switched at any time."""

from __future__ import annotations

from dataclasses import replace

from verbwire.client.base.connection import Connection
from verbwire.generations.topic import read_words, served_names


def served(connection: Connection) -> Connection:
    """Return it with the generations that serve now; UnavailableError where Kafka does not say."""
    names = connection.names
    return replace(connection, names=served_names(names, read_words(connection.librdkafka, names.rebuilds())))
