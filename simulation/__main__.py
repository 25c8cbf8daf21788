"""Simulates: `make simulate`, or `python -m simulation` where the project is installed."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from simulation.campaign import outcome_of, prepare, run_campaign
from simulation.planted import BUGS, planted
from simulation.shrinking import shrink
from simulation.telling import Teller, failed, history
from simulation.world import run

if TYPE_CHECKING:
    from simulation.plan import Plan

FAILED: Final = 1
INTERRUPTED: Final = 130


def main() -> int:
    options = _options()
    if options.replay is not None:
        return _replay(options.replay, options.planted, signatures=options.signatures)
    seeds = range(options.first, options.first + options.seeds)
    teller = Teller(len(seeds))
    progress = run_campaign(
        seeds, processes=options.processes, bug=options.planted, told=teller.progress
    )
    teller.end(progress)
    for line in failed(progress.failures, options.planted):
        print(line)
    return FAILED if progress.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulation",
        description="Runs scenarios under a simulated clock and network; each follows from a seed.",
        epilog="docs/simulation.md says what is simulated, and how to read what fails.",
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many; 1000 by default")
    parser.add_argument("--first", type=int, default=0, help="the first one; 0 by default")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one, and tell its history")
    parser.add_argument(
        "--planted", choices=sorted(BUGS), default="", metavar="BUG", help="with a bug put in"
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="all cores by default"
    )
    parser.add_argument(
        "--signatures", choices=("quick", "real"), default="quick", help="for --replay"
    )
    return parser.parse_args()


def _replay(seed: int, bug: str, *, signatures: str) -> int:
    """Runs a seed, makes its plan smaller where it fails, and tells what happens then."""
    prepare()
    plan, outcome = outcome_of(seed, bug, signatures=signatures)
    if not outcome.failure:
        print("\n".join(history(plan, outcome)))
        return 0
    print(
        f"Seed {seed}, {len(plan.items)} items: {outcome.failure}\nLeaving items out …", flush=True
    )
    small = _smallest(plan, bug)
    with planted(bug) if bug else nullcontext():
        print("\n".join(history(small, run(small))))
    return FAILED


def _smallest(plan: Plan, bug: str) -> Plan:
    with planted(bug) if bug else nullcontext():
        return shrink(plan, lambda smaller: bool(run(smaller).failure))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
