"""What is measured: records, seconds of the clock, seconds of CPU. Standard library only."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

MARK = "FIGURE "


@dataclass(frozen=True)
class Figure:
    """One measurement. `cpu` is of the measured process alone, all its threads; a busy machine changes it least."""

    name: str
    records: int
    seconds: float
    cpu: float
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a record."""
        return self.cpu / self.records * 1e6

    def tell(self) -> None:
        """Hand it to the process that asked for it: one line on the standard output."""
        print(MARK + json.dumps(asdict(self)), file=sys.__stdout__, flush=True)  # Faust takes sys.stdout for itself


def told(output: str) -> list[Figure]:
    """Return the figures among the lines of a process."""
    return [Figure(**json.loads(line[len(MARK) :])) for line in output.splitlines() if line.startswith(MARK)]


class Stopwatch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.process_time()

    def figure(self, name: str, records: int, **more: float) -> Figure:
        """Return what has passed since."""
        return Figure(name, records, time.perf_counter() - self._clock, time.process_time() - self._cpu, more)


def percentile(values: list[float], part: float) -> float:
    """Return the value below which `part` (0 to 1) of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
