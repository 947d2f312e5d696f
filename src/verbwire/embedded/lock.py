"""Writes ``artifacts.lock`` anew, after a change of `ROOTS`: ``python -m verbwire.embedded.lock``.

jgo resolves what the roots need; every file is downloaded once to take its checksum. Review the difference before
committing it: from then on exactly these bytes run.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx2

from verbwire.embedded import download
from verbwire.embedded.artifacts import KAFKA, LOCK, REGISTRY, TOOLS, Artifact, maven_context
from verbwire.embedded.trees import digest, extract


@dataclass(frozen=True, slots=True)
class Root:
    """One coordinate asked for by name: ``group:artifact:packaging[:classifier]:version``."""

    part: str
    coordinate: str
    transitive: bool = False


# Without a binding of slf4j Kafka logs nowhere. Taken alone: its BOM would pull kafka-clients back to 3.9.
_LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:jar:2.25.5"

ROOTS = (
    Root(KAFKA, "org.apache.kafka:kafka_2.13:jar:4.4.0", transitive=True),
    Root(KAFKA, _LOG_BINDING),
    # The console tools, on a class path of their own: there is no 4.4.0 of them, and 4.3 does not run on 4.4's jars.
    # Taken alone, with the libraries that the console ones need: the others would bring Kafka Connect and Jetty.
    Root(TOOLS, "org.apache.kafka:kafka-tools:jar:4.3.1"),
    Root(TOOLS, "org.apache.kafka:kafka-tools-api:jar:4.3.1"),
    Root(TOOLS, "org.apache.kafka:kafka-server-common:jar:4.3.1", transitive=True),
    Root(TOOLS, "org.apache.logging.log4j:log4j-core:jar:2.25.5", transitive=True),
    Root(TOOLS, _LOG_BINDING),
    Root(REGISTRY, "io.apicurio:apicurio-registry-app:tar.gz:all:3.3.3"),
)


def _resolve(root: Root) -> list[str]:
    if not root.transitive:
        return [root.coordinate]
    context = maven_context()
    given, transitive = context.resolver.resolve([context.create_dependency(root.coordinate)])
    return [str(dependency.artifact) for dependency in [*given, *transitive]]


def _coordinates() -> list[tuple[str, str]]:
    """Part and coordinate of every file; in each part the first root that brings a jar decides its version."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for root in ROOTS:
        for coordinate in _resolve(root):
            found.setdefault((root.part, coordinate.rpartition(":")[0]), (root.part, coordinate))
    return list(found.values())


def _measured(http: httpx2.Client, part: str, coordinate: str) -> Artifact:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "file")
        with http.stream("GET", Artifact(part, "", 0, coordinate).urls()[0]) as response, file.open("wb") as out:
            response.raise_for_status()
            for chunk in response.iter_raw():
                out.write(chunk)
        tree = ""
        if part == REGISTRY:
            extract(file, Path(scratch, "tree"))
            tree = digest(Path(scratch, "tree"))
        return Artifact(part, download.sha256_of(file), file.stat().st_size, coordinate, tree)


def write_lock(path: Path) -> None:
    """Resolve `ROOTS`, take the checksum of every file, and write the lock file."""
    lines = [
        "# part sha256 bytes coordinate [digest of the unpacked tree]; written by `python -m verbwire.embedded.lock`"
    ]
    with download.client() as http:
        for part, coordinate in _coordinates():
            artifact = _measured(http, part, coordinate)
            said = (artifact.part, artifact.sha256, str(artifact.size), artifact.coordinate, artifact.tree)
            lines.append(" ".join(said).rstrip())
            print(lines[-1])
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    write_lock(LOCK)
