"""``python -m benchmarks``: measure everything, or what is asked for, and write the results."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import machine, report
from benchmarks.cluster import running
from benchmarks.environment import PeerEnvironment
from benchmarks.results import Results
from benchmarks.rounds import Round, Setup, Sizes
from benchmarks.sections import SECTIONS

RESULTS = Path(__file__).parent / "results"
PEERS = Path(__file__).parent.parent / ".verbwire" / "peers"
FULL = Sizes(events=300_000, commands=100_000, asks=300, slow=20_000, rows=100_000, grown=1_000_000, seconds=3, idle=20)
QUICK = Sizes(events=100_000, commands=30_000, asks=100, slow=5_000, rows=20_000, grown=300_000, seconds=1, idle=5)
LONG = 10_000_000  # events that a table grows by
ROUNDS = 3


def main() -> None:
    """Measure, and write ``results/<date>.md``, ``.json`` and plots."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers and receivers end with it
    options = _options()
    sizes, chosen = _sizes(options), options.only or _all(options.long)
    facts = {**machine.describe(), "load_before": machine.load(), "rounds": options.rounds, "sizes": asdict(sizes)}
    results, began = Results(), time.monotonic()
    say = partial(print, flush=True)
    with running() as addresses, tempfile.TemporaryDirectory(prefix="verbwire-bench-") as folder:
        peers = PeerEnvironment(PEERS) if options.peers else None
        setup = Setup(addresses, sizes, Path(folder), peers, say)
        for number in range(1, options.rounds + 1):
            _round(Round(number, setup, results), (each for each in chosen if not SECTIONS[each].once or number == 1))
    facts |= {"load_after": machine.load(), "seconds": round(time.monotonic() - began)}
    for file in report.write(RESULTS, _name(options), facts, results):
        say(f"wrote {file.relative_to(RESULTS.parent.parent)}")


def _round(round: Round, chosen: Iterable[str]) -> None:
    round.setup.say(f"\nRound {round.number}")
    try:
        for name in chosen:
            round.run(name, SECTIONS[name].measured)
    finally:
        round.close()


def _name(options: argparse.Namespace) -> str:
    """Return the results' name: those of a part stand apart, so that they never take the place of the whole."""
    part = ("-long" if options.long else "-part") if options.only else "-quick" if options.quick else ""
    return f"{datetime.now(UTC):%Y-%m-%d}{part}"


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = asdict(QUICK if options.quick else FULL)
    if options.long:
        sizes["grown"] = LONG
    asked = {each.name: getattr(options, each.name) for each in fields(Sizes)}
    return Sizes(**{name: size if asked[name] is None else asked[name] for name, size in sizes.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed, side by side, in one run.",
        epilog="sections: " + "; ".join(f"{name}: {each.what}" for name, each in SECTIONS.items()),
    )
    parser.add_argument("--quick", action="store_true", help="one round of less, in about two minutes")
    parser.add_argument("--long", action="store_true", help=f"tables grow to {LONG:,} events: 15 minutes more")
    parser.add_argument("--only", type=_sections, metavar="NAME,...", help="these sections alone; listed below")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"how often each case is run, {ROUNDS} by default")
    asked = os.environ.get("PEERS")
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        default=None if asked is None else asked not in ("", "0"),
        help="FastStream and Quix Streams too, installed for it once (PEERS=1); by default unless --quick or --only",
    )
    for each in fields(Sizes):
        kind = float if each.name in ("seconds", "idle") else int
        size = getattr(FULL, each.name)
        parser.add_argument(f"--{each.name}", type=kind, metavar="N", help=f"instead of {size:,}")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = 1 if options.quick else ROUNDS
    if options.peers is None:
        options.peers = not options.quick and not options.only
    return options


def _all(long: bool) -> list[str]:
    return [name for name, each in SECTIONS.items() if long or not each.long]


def _sections(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [each for each in names if each not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: use {', '.join(SECTIONS)}")
    return [each for each in SECTIONS if each in names]


if __name__ == "__main__":
    main()
