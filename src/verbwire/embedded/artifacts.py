"""Which files the embedded stack is made of, pinned by coordinate and checksum, and where they are cached.

``artifacts.lock`` names every file: part, SHA-256, size in bytes, Maven coordinate. Nothing is resolved at run
time. After a change of `ROOTS` write it anew: ``python -m verbwire.embedded.artifacts --lock``.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx2

from verbwire.embedded.extras import extra
from verbwire.errors import ConfigurationError

KAFKA, TOOLS, REGISTRY = "kafka", "tools", "registry"


@dataclass(frozen=True, slots=True)
class Root:
    """One coordinate asked for by name: ``group:artifact:packaging[:classifier]:version``."""

    part: str
    coordinate: str
    transitive: bool = False


ROOTS = (
    Root(KAFKA, "org.apache.kafka:kafka_2.13:jar:4.4.0", transitive=True),
    # Without a binding Kafka logs nowhere. Resolved alone: its BOM would pull kafka-clients back to 3.9.
    Root(KAFKA, "org.apache.logging.log4j:log4j-slf4j-impl:jar:2.25.5"),
    # The console tools. There is no 4.4.0 of them in the repository.
    Root(TOOLS, "org.apache.kafka:kafka-tools:jar:4.3.1"),
    Root(REGISTRY, "io.apicurio:apicurio-registry-app:tar.gz:all:3.3.3"),
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One pinned file."""

    part: str
    sha256: str
    size: int
    coordinate: str

    @property
    def filename(self) -> str:
        """The name of the file in a Maven repository and in the cache."""
        return str(_maven(self.coordinate).filename)

    def urls(self) -> list[str]:
        """Where to download it: one address per repository that jgo knows."""
        return _urls(_maven(self.coordinate))


@cache
def locked() -> tuple[Artifact, ...]:
    """Every pinned file, in the order of the class path."""
    lines = files("verbwire.embedded").joinpath("artifacts.lock").read_text("utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return tuple(Artifact(part, sha256, int(size), coordinate) for part, sha256, size, coordinate in rows)


def cache_folder() -> Path:
    """``VERBWIRE_CACHE``, or ``verbwire`` below ``XDG_CACHE_HOME`` or ``~/.cache``; created when missing."""
    own = os.environ.get("VERBWIRE_CACHE")
    xdg = os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else Path(xdg or Path.home() / ".cache") / "verbwire"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write the cache {folder}: set VERBWIRE_CACHE to a folder ({error})") from error
    return folder.absolute()


@cache
def _context() -> Any:
    return extra("jgo.maven").MavenContext(timeout=60)


def _maven(coordinate: str) -> Any:
    group, name, packaging, *classifier, version = coordinate.split(":")
    component = _context().project(group, name).at_version(version)
    return component.artifact(classifier="".join(classifier), packaging=packaging)


def _urls(artifact: Any) -> list[str]:
    path = f"{artifact.component.path_prefix.as_posix()}/{artifact.filename}"
    return [f"{repository}/{path}" for repository in _context().remote_repos.values()]


def _resolve(root: Root) -> list[str]:
    if not root.transitive:
        return [root.coordinate]
    context = _context()
    given, transitive = context.resolver.resolve([context.create_dependency(root.coordinate)])
    return [str(dependency.artifact) for dependency in [*given, *transitive]]


def _coordinates() -> list[tuple[str, str]]:
    """Part and coordinate of every file; the first root that brings a jar decides its version."""
    found: dict[str, tuple[str, str]] = {}
    for root in ROOTS:
        for coordinate in _resolve(root):
            found.setdefault(coordinate.rpartition(":")[0], (root.part, coordinate))
    return list(found.values())


def _measured(http: httpx2.Client, part: str, coordinate: str) -> Artifact:
    digest, size = hashlib.sha256(), 0
    with http.stream("GET", _urls(_maven(coordinate))[0]) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            digest.update(chunk)
            size += len(chunk)
    return Artifact(part, digest.hexdigest(), size, coordinate)


def write_lock(path: Path) -> None:
    """Resolve `ROOTS`, download everything once to take its checksum, and write the lock file."""
    lines = ["# part sha256 bytes coordinate; written by `python -m verbwire.embedded.artifacts --lock`"]
    with httpx2.Client(follow_redirects=True, timeout=60) as http:
        for part, coordinate in _coordinates():
            artifact = _measured(http, part, coordinate)
            lines.append(f"{artifact.part} {artifact.sha256} {artifact.size} {artifact.coordinate}")
            print(lines[-1])
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--lock"]:
        sys.exit("usage: python -m verbwire.embedded.artifacts --lock")
    write_lock(Path(__file__).with_name("artifacts.lock"))
