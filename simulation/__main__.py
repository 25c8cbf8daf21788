"""Simulates: `make simulate`, or `python -m simulation` where the project is installed."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from simulation.campaign import outcome_of, outcome_of_plan, prepare, run_campaign
from simulation.planted import BUGS, planted
from simulation.records import KINDS, MEMORY, at_hand
from simulation.shrinking import shrink
from simulation.telling import Teller, failed, history

if TYPE_CHECKING:
    from simulation.plan import Plan

FAILED: Final = 1
INTERRUPTED: Final = 130


def main() -> int:
    options = _options()
    with at_hand(options.store) as where:
        if options.replay is not None:
            bug, signatures = options.planted, options.signatures
            return _replay(options.replay, bug, signatures=signatures, where=where)
        return _campaign(options, where)


def _campaign(options: argparse.Namespace, where: str) -> int:
    seeds = range(options.first, options.first + options.seeds)
    teller = Teller(len(seeds))
    progress = run_campaign(
        seeds,
        processes=options.processes,
        bug=options.planted,
        where=where,
        told=teller.progress,
    )
    teller.end(progress)
    for line in failed(progress.failures, options.planted, options.store):
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
    parser.add_argument(
        "--store", choices=KINDS, default=MEMORY, help="where the records are; memory by default"
    )
    options = parser.parse_args()
    if options.planted and options.store != MEMORY:
        parser.error("bugs are planted in the store in memory alone")
    return options


def _replay(seed: int, bug: str, *, signatures: str, where: str) -> int:
    """Runs a seed, makes its plan smaller where it fails, and tells what happens then."""
    prepare()
    plan, outcome = outcome_of(seed, bug, signatures=signatures, where=where)
    if not outcome.failure:
        print("\n".join(history(plan, outcome)))
        return 0
    print(
        f"Seed {seed}, {len(plan.items)} items: {outcome.failure}\nLeaving items out …", flush=True
    )
    small = _smallest(plan, bug, where)
    with planted(bug) if bug else nullcontext():
        print("\n".join(history(small, outcome_of_plan(small, where=where))))
    return FAILED


def _smallest(plan: Plan, bug: str, where: str) -> Plan:
    with planted(bug) if bug else nullcontext():
        return shrink(plan, lambda smaller: bool(outcome_of_plan(smaller, where=where).failure))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
