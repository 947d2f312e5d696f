"""Apicurio Registry, which speaks the API of Confluent's; its data is one H2 file in the stack's folder."""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from verbwire.embedded.artifacts import REGISTRY
from verbwire.embedded.installation import ClassPath
from verbwire.embedded.java import Program
from verbwire.embedded.ports import HOST
from verbwire.embedded.processes import Child, clean_environment

NAME = "registry"
API = "/apis/ccompat/v7"


def program(class_path: ClassPath) -> Program:
    """Return the program that runs the registry: on a flat class path: no archive holds what Quarkus' loader loads."""
    return Program(
        REGISTRY, class_path, ("--add-opens=java.base/java.lang=ALL-UNNAMED", "--enable-native-access=ALL-UNNAMED")
    )


class EmbeddedRegistry:
    """The registry of one stack."""

    def __init__(self, folder: Path, port: int, management_port: int, runs: Program) -> None:
        self._folder = folder
        self._program = runs
        self._settings = {
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(port),
            # It cannot be closed at run time, only moved.
            "QUARKUS_MANAGEMENT_HOST": HOST,
            "QUARKUS_MANAGEMENT_PORT": str(management_port),
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "h2",
            # Without a write delay H2 does not lose what it has confirmed when it is killed.
            "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{folder / NAME / 'registry'};WRITE_DELAY=0",
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
            "APICURIO_LOGCONFIGJOB_EVERY": "1h",
        }

    def start(self) -> Child:
        """Start the process; it answers a few seconds later, see :func:`answers`."""
        (self._folder / NAME).mkdir(exist_ok=True)
        command = self._program.command("io.quarkus.runner.GeneratedMain", options=("-Xmx256m",))
        return Child(NAME, command, self._folder / f"{NAME}.log", clean_environment(self._settings))


def url(port: int) -> str:
    """The address that Confluent's clients take."""
    return f"http://{HOST}:{port}{API}"


def answers(port: int) -> bool:
    """Whether the registry on this port answers. Waits a second at most."""
    with closing(HTTPConnection(HOST, port, timeout=1)) as http:
        try:
            http.request("GET", f"{API}/subjects")
            return http.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
