"""Apicurio Registry, which speaks the Confluent schema registry's API; its data is one H2 file in the stack's folder."""

from __future__ import annotations

from pathlib import Path

import httpx2

from verbwire.embedded.installation import Installation
from verbwire.embedded.java import QUICK
from verbwire.embedded.ports import HOST
from verbwire.embedded.processes import Child

NAME = "registry"
API = "/apis/ccompat/v7"


class Registry:
    """The registry of one stack."""

    def __init__(self, folder: Path, port: int, management_port: int, found: Installation) -> None:
        self._folder = folder
        self._found = found
        self._settings = {
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(port),
            # It cannot be closed at run time, only moved.
            "QUARKUS_MANAGEMENT_HOST": HOST,
            "QUARKUS_MANAGEMENT_PORT": str(management_port),
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "h2",
            "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{folder / NAME / 'registry'}",
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
            "APICURIO_LOGCONFIGJOB_EVERY": "1h",
        }

    def start(self) -> Child:
        """Start the process; it answers a few seconds later, see :func:`answers`."""
        (self._folder / NAME).mkdir(exist_ok=True)
        command = [str(self._found.java), *QUICK, "-Xmx256m", "-jar", str(self._found.registry / "quarkus-run.jar")]
        return Child(NAME, command, self._folder / f"{NAME}.log", self._settings)


def url(port: int) -> str:
    """The address that Confluent's clients take."""
    return f"http://{HOST}:{port}{API}"


def answers(url: str) -> bool:
    """Whether the registry at this address answers. Waits a fraction of a second."""
    try:
        return httpx2.get(f"{url}/subjects", timeout=0.5, trust_env=False).is_success
    except httpx2.HTTPError:
        return False
