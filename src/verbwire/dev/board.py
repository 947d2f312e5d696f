"""What ``verbwire dev`` shows: written by those who find out, read by the screen. Fields are replaced, not changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_REJECTIONS = 5


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group over all workers. None: nobody says."""

    partitions: Mapping[str, int]  # how many are in each state
    handled: float | None = None  # records, since the workers were started
    rate: float | None = None  # a second, lately
    lag: float | None = None  # records that wait
    dead_letters: float = 0.0
    stopped: Mapping[str, str] = field(default_factory=dict)  # partition -> why

    @property
    def state(self) -> str:
        """The partitions by their states, as one reads it."""
        return ", ".join(f"{number} {state}" for state, number in sorted(self.partitions.items()) if number) or "-"


@dataclass(frozen=True, slots=True)
class RejectionView:
    """A command that was refused, or has failed or expired."""

    time: str
    command: str
    key: str
    code: str
    reason: str

    @property
    def line(self) -> str:
        """All of it."""
        return f"{self.time} {self.command} {self.key}: {self.code}{': ' if self.reason else ''}{self.reason}"


@dataclass
class Board:
    """What is known now."""

    title: str
    doing: str = "starting"
    problems: Sequence[str] = ()  # what keeps the code of the project's files from running
    workers: Mapping[str, str] = field(default_factory=dict)  # name -> whether it serves
    groups: Mapping[str, GroupView] = field(default_factory=dict)
    links: Sequence[str] = ()
    rejections: deque[RejectionView] = field(default_factory=lambda: deque(maxlen=_REJECTIONS))

    @property
    def ready(self) -> bool:
        """Whether there are workers, and all of them serve."""
        return bool(self.workers) and all(each == "ready" for each in self.workers.values())
