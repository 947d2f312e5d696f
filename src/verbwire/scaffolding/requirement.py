"""From where a new project installs verbwire: from where the one that writes it came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PACKAGE = "verbwire"
WHEELS = "wheels"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Which verbwire a project requires, as lines of pip's.

    `wheel` is a file that is to lie in the project's folder `wheels`: one that came from a file cannot be had from an
    index, perhaps.
    """

    version: str
    url: str = ""
    wheel: Path | None = None

    def line(self, extra: str = "") -> str:
        """The line, perhaps with an extra."""
        extras = f"[{extra}]" if extra else ""
        if self.wheel is not None:
            return f"./{WHEELS}/{self.wheel.name}{extras}"
        return f"{_PACKAGE}{extras} @ {self.url}" if self.url else f"{_PACKAGE}{extras}=={self.version}"


def installed() -> Requirement:
    """What is installed here, by what its installer has written down (``direct_url.json``, PEP 610)."""
    distribution = metadata.distribution(_PACKAGE)
    return of_origin(distribution.version, json.loads(distribution.read_text("direct_url.json") or "{}"))


def of_origin(version: str, origin: dict[str, object]) -> Requirement:
    """Return what requires this version from its origin; without one, or one that is gone, from the index."""
    url = str(origin.get("url", ""))
    place = Path(unquote(urlsplit(url).path)) if urlsplit(url).scheme == "file" else None
    if place is not None and not place.exists():
        return Requirement(version)
    if place is not None and place.suffix == ".whl":
        return Requirement(version, wheel=place)
    commit = origin.get("vcs_info")
    if isinstance(commit, dict):
        return Requirement(version, f"{commit['vcs']}+{url}@{commit['commit_id']}")
    return Requirement(version, url)
