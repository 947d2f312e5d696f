"""How long a client wants to wait for an outcome: the header ``Prefer`` (RFC 7240).

A preference is a wish. What is not understood is passed over, as the RFC asks; what was honoured is said in
``Preference-Applied``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from verbwire.http.base import limits

_ASYNC, _WAIT = "respond-async", "wait"
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WaitPreference:
    """How many seconds to wait, and what is to be said about it."""

    seconds: float
    applied: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says of it."""
        return {"Preference-Applied": self.applied} if self.applied else {}


_UNSAID = WaitPreference(limits.WAIT)


def patience(prefer: Sequence[bytes] | None) -> WaitPreference:
    """Return what the fields of ``Prefer`` ask for, within limits: ``wait=N`` seconds, none for ``respond-async``.

    Both together mean: wait that long, then answer without the outcome. Of a preference that stands there twice the
    first counts.
    """
    if not prefer:
        return _UNSAID
    wanted: dict[str, str] = {}
    for part in b",".join(prefer).decode("latin-1").split(","):
        name, _, value = part.partition(";")[0].partition("=")
        wanted.setdefault(name.strip().lower(), value.strip().strip('"'))
    applied = [_ASYNC] if wanted.get(_ASYNC) == "" else []
    if _SECONDS.fullmatch(wanted.get(_WAIT, "")):
        seconds = min(int(wanted[_WAIT]), limits.MAX_WAIT)
        return WaitPreference(seconds, ", ".join([*applied, f"{_WAIT}={seconds}"]))
    return WaitPreference(0.0, _ASYNC) if applied else WaitPreference(limits.WAIT)
