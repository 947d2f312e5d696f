"""What an attempt at one record comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from verbwire.errors import RegistryUnavailableError


@dataclass(frozen=True, slots=True)
class Done:
    """The record is finished."""


@dataclass(frozen=True, slots=True)
class Raised:
    """Its handler raised; it may be retried, so many times."""

    detail: str
    traceback: str
    error: BaseException | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Broker or registry are in the way; this is not the record's fault, and does not count as a retry."""

    why: str
    registry: bool = False  # it is the registry

    @classmethod
    def of(cls, error: Exception) -> Unavailable:
        """Return what an error of the broker or of the registry comes to."""
        return cls(str(error), isinstance(error, RegistryUnavailableError))


Result: TypeAlias = Done | Raised | Unavailable
