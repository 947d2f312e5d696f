"""Opens the project that we are in for commands that read or write the topics of its groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.client.base.connection import Connection
    from verbwire.project import Project


def served_project() -> tuple[Project, Connection]:
    """Return it, and how its clients connect, with the names of the generations that serve.

    :class:`UnavailableError` where no broker answers.
    """
    from verbwire.client.base.connection import Connection
    from verbwire.generations.served import served
    from verbwire.kafka.addresses import kafka_properties
    from verbwire.kafka.connectivity import require_kafka
    from verbwire.project import load_project

    project = load_project(load_settings())
    project = replace(project, settings=served(project.settings))
    connection = Connection.of_project(project.settings)
    require_kafka(kafka_properties(project.settings, connection.bootstrap))
    return project, connection
