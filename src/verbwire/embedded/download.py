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
from verbwire.redaction import shown_address, without_secrets

ATTEMPTS = 5
STALLED = 10.0  # seconds without a byte, after which an attempt has failed
_WRONG_BYTES = 2  # attempts that a wrong checksum costs

Advance = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Download:
    """One file to have: where from (tried in turn), where to, and what it must be. Size in bytes."""

    urls: Sequence[str]
    target: Path
    sha256: str
    size: int

    @property
    def part(self) -> Path:
        """The unfinished file."""
        return self.target.with_name(self.target.name + ".part")

    def begun(self) -> int:
        """How many bytes an earlier, interrupted attempt left."""
        return min(_size(self.part), self.size)


def matches(path: Path, sha256: str, size: int) -> bool:
    """Whether the file is there, whole and unchanged."""
    return _size(path) == size and sha256_of(path) == sha256


def client() -> httpx2.Client:
    """A client that respects the proxies and the CA bundle of the environment."""
    # Compressed transfer would make lengths and ranges useless.
    return httpx2.Client(follow_redirects=True, timeout=STALLED, headers={"accept-encoding": "identity"})


def fetch(wanted: Download, http: httpx2.Client, advance: Advance, cancelled: Event, pause: float = 1.0) -> None:
    """Download one file, resuming what was begun; `advance` gets the bytes as they come (negative: taken back).

    Goes on until `ATTEMPTS` in a row have brought nothing, each `pause` seconds longer after the one before. Setting
    `cancelled` ends it early and quietly. Raises :class:`UnavailableError` after the last attempt. What has come is
    kept for the next run in all cases.
    """
    advance(wanted.begun())
    failures, problem = 0, ""
    while failures < ATTEMPTS:
        if failures and cancelled.wait(failures * pause):
            return
        before = wanted.begun()
        try:
            _attempt(wanted, wanted.urls[failures % len(wanted.urls)], http, advance, cancelled)
        except (httpx2.HTTPError, OSError) as error:
            problem = without_secrets(str(error))
            failures = 1 if wanted.begun() > before else failures + 1
            continue
        if cancelled.is_set() or _finish(wanted, advance):
            return
        problem, failures = "its checksum is not the pinned one", failures + _WRONG_BYTES
    raise UnavailableError(
        f"cannot download {wanted.target.name} from {', '.join(map(shown_address, wanted.urls))}: {problem}; "
        "check network and proxy settings and run it again, it resumes"
    )


def _attempt(wanted: Download, url: str, http: httpx2.Client, advance: Advance, cancelled: Event) -> None:
    have = wanted.begun()
    if have == wanted.size:
        return
    headers = {"range": f"bytes={have}-"} if have else {}
    with http.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if have and not resumed:
            advance(-have)
        with wanted.part.open("ab" if resumed else "wb") as part:
            for chunk in response.iter_raw():
                part.write(chunk)
                advance(len(chunk))
                if cancelled.is_set():
                    return


def _finish(wanted: Download, advance: Advance) -> bool:
    """Give a whole and right file its name; throw anything else away."""
    if matches(wanted.part, wanted.sha256, wanted.size):
        os.replace(wanted.part, wanted.target)
        return True
    advance(-_size(wanted.part))
    wanted.part.unlink(missing_ok=True)
    return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path, older_than: float = 7 * 86400) -> None:
    """Remove what interrupted runs left behind, `older_than` seconds after it was last touched."""
    for path in folder.glob("*.part"):
        if time.time() - path.stat().st_mtime > older_than:
            path.unlink(missing_ok=True)
