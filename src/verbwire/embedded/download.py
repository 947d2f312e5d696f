"""Downloads that can be interrupted: resumed where they stopped, verified before they count.

Bytes go to ``<name>.part``; only a file with the right checksum gets its real name, by an atomic rename. So whoever
finds the real name finds a whole file, whatever was killed and when.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Event

import httpx2

from verbwire.errors import UnavailableError

ATTEMPTS = 5
CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Download:
    """One file to have: where from (tried in order), where to, and what it must be. Size in bytes."""

    urls: Sequence[str]
    target: Path
    sha256: str
    size: int

    @property
    def part(self) -> Path:
        """The unfinished file."""
        return self.target.with_name(self.target.name + ".part")

    def present(self) -> bool:
        """Whether the target is there, whole and unchanged."""
        return _size(self.target) == self.size and _sha256(self.target) == self.sha256

    def resumable(self) -> int:
        """How many bytes an earlier, interrupted run left."""
        return min(_size(self.part), self.size)


def client() -> httpx2.Client:
    """A client that respects the proxies and the CA bundle of the environment."""
    # Compressed transfer would make lengths and ranges useless.
    return httpx2.Client(follow_redirects=True, timeout=30, headers={"accept-encoding": "identity"})


def fetch(
    wanted: Download, http: httpx2.Client, advance: Callable[[int], object], cancelled: Event, pause: float = 1.0
) -> None:
    """Download one file, resuming an earlier attempt; `advance` gets the bytes as they come (negative: taken back).

    Tries `ATTEMPTS` times, each `pause` longer than before. Setting `cancelled` ends it early, quietly, keeping what
    has come. Raises :class:`UnavailableError` when every attempt failed; what has come is kept for the next run.
    """
    advance(wanted.resumable())
    failure: Exception | None = None
    for attempt in range(ATTEMPTS):
        if attempt and cancelled.wait(attempt * pause):
            return
        try:
            _attempt(wanted, wanted.urls[attempt % len(wanted.urls)], http, advance, cancelled)
        except (httpx2.HTTPError, OSError) as error:
            failure = error
            continue
        if cancelled.is_set() or _finish(wanted, advance):
            return
        failure = None
    raise UnavailableError(
        f"cannot download {wanted.target.name} from {', '.join(wanted.urls)}: "
        f"{failure or 'its checksum is not the pinned one'}; check the network or proxy and run again (it resumes)"
    )


def _attempt(
    wanted: Download, url: str, http: httpx2.Client, advance: Callable[[int], object], cancelled: Event
) -> None:
    have = wanted.resumable()
    if have == wanted.size:
        return
    headers = {"range": f"bytes={have}-"} if have else {}
    with http.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if have and not resumed:
            advance(-have)
        with wanted.part.open("ab" if resumed else "wb") as part:
            for chunk in response.iter_raw(CHUNK):
                part.write(chunk)
                advance(len(chunk))
                if cancelled.is_set():
                    return


def _finish(wanted: Download, advance: Callable[[int], object]) -> bool:
    """Give a whole and right file its name; throw a whole and wrong one away."""
    size = _size(wanted.part)
    if size < wanted.size:
        return False
    if size != wanted.size or _sha256(wanted.part) != wanted.sha256:
        wanted.part.unlink()
        advance(-size)
        return False
    os.replace(wanted.part, wanted.target)
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path, older_than: float = 7 * 86400) -> None:
    """Remove what interrupted runs left behind, `older_than` seconds after it was last touched."""
    for path in folder.glob("*.part"):
        if time.time() - path.stat().st_mtime > older_than:
            path.unlink(missing_ok=True)
