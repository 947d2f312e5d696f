"""Which files the embedded stack is made of, pinned by coordinate and checksum, and where they are cached.

``artifacts.lock`` names every file: part, SHA-256, size in bytes, Maven coordinate, and of an archive the digest of
what it unpacks to. Nothing is resolved at run time. ``verbwire.embedded.lock`` writes it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from verbwire.embedded.extras import extra
from verbwire.errors import ConfigurationError

LOCK = Path(__file__).with_name("artifacts.lock")
KAFKA, TOOLS, REGISTRY = "kafka", "tools", "registry"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One pinned file, of one part of the stack."""

    part: str
    sha256: str
    size: int
    coordinate: str
    tree: str = ""  # of an archive, what :func:`verbwire.embedded.trees.digest` says of it unpacked

    @property
    def filename(self) -> str:
        """The name of the file in a Maven repository and in the cache."""
        _, name, packaging, *classifier, version = self.coordinate.split(":")
        return "-".join([name, version, *classifier]) + f".{packaging}"

    def urls(self) -> list[str]:
        """Where to download it: one address per repository."""
        group, name, _, *_, version = self.coordinate.split(":")
        component = maven_context().project(group, name).at_version(version)
        path = f"{component.path_prefix.as_posix()}/{self.filename}"
        return [f"{repository}/{path}" for repository in maven_context().remote_repos.values()]


@cache
def locked() -> tuple[Artifact, ...]:
    """Every pinned file, in the order of the class paths."""
    rows = [line.split() for line in LOCK.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return tuple(Artifact(part, sha256, int(size), *rest) for part, sha256, size, *rest in rows)


@cache
def maven_context() -> Any:
    """jgo's view of the Maven world: its repositories, or the one in ``VERBWIRE_MAVEN``, and how to resolve."""
    mirror = os.environ.get("VERBWIRE_MAVEN", "").rstrip("/")
    return extra("jgo.maven").MavenContext(remote_repos={"mirror": mirror} if mirror else None, timeout=60)


def cache_folder() -> Path:
    """``VERBWIRE_CACHE``, or ``verbwire`` below ``XDG_CACHE_HOME`` or ``~/.cache``; created when missing."""
    own = os.environ.get("VERBWIRE_CACHE")
    xdg = os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else Path(xdg or Path.home() / ".cache") / "verbwire"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the cache {folder}: set VERBWIRE_CACHE to a folder ({error})"
        ) from error
    return folder.absolute()
