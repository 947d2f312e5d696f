"""``python -m benchmarks``: run everything, write the results."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import machine, report
from benchmarks.cluster import deploy, running
from benchmarks.environment import PeerEnvironment
from benchmarks.place import Place
from benchmarks.run import Run

RESULTS = Path(__file__).parent / "results"
FULL = {"events": 300_000, "commands": 100_000, "asks": 500, "slow": 50_000}
QUICK = {"events": 60_000, "commands": 20_000, "asks": 100, "slow": 10_000}


def main() -> None:
    """Run all cases and write ``results/<date>.json`` and ``.md``."""
    options = _options()
    sizes = {name: getattr(options, name) or size for name, size in (QUICK if options.quick else FULL).items()}
    facts = {**machine.describe(), "load_before": machine.load(), "sizes": sizes}
    say, began = partial(print, flush=True), time.monotonic()
    with running() as addresses, tempfile.TemporaryDirectory(prefix="verbwire-bench-") as folder:
        place = Place(addresses.bootstrap, addresses.registry_url, f"bench{time.time_ns() // 10**8}", **sizes)
        deploy(place)
        run = Run(place, Path(folder), say)
        run.all(PeerEnvironment(Path(folder)) if options.peers else None)
    facts |= {"load_after": machine.load(), "seconds": round(time.monotonic() - began)}
    name = f"{datetime.now(UTC):%Y-%m-%d}{'-quick' if options.quick else ''}"
    for file in report.write(RESULTS, name, facts, run.groups):
        say(f"wrote {file.relative_to(RESULTS.parent.parent)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed, side by side, in one run.")
    parser.add_argument("--quick", action="store_true", help="about a minute, less sure")
    asked = os.environ.get("PEERS", "") not in ("", "0")
    parser.add_argument(
        "--peers", action="store_true", default=asked, help="install FastStream and Quix Streams for the run (PEERS=1)"
    )
    for name, size in FULL.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"how many {name} records, {size:,} by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()
