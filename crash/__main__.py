"""Crashes: `make crash`, or `python -m crash` where the project is installed."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
from typing import TYPE_CHECKING, Final

from crash.campaign import run_campaign
from crash.stores import STORES
from crash.telling import Teller, failed
from engines.postgres import NotHere

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED: Final = 1
NOT_HERE: Final = 2
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None, *, program: Sequence[str] = ()) -> int:
    """program: what a node runs, if not what belongs to the store."""
    options = _options(arguments)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"Seed {seed}", flush=True)
    teller = Teller(options.rounds)
    try:
        progress = run_campaign(
            options.rounds,
            seed=seed,
            told=teller.progress,
            store=options.store,
            program=program,
        )
    except NotHere as why:
        print(f"No {options.store} here: {why}.", file=sys.stderr)
        return NOT_HERE
    teller.end(progress)
    for line in failed(progress, seed):
        print(line)
    return FAILED if progress.failure else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m crash",
        description="Kills two nodes and their store, and looks what is missing afterwards.",
        epilog="docs/crash.md says what is tried, and how to read what fails.",
    )
    parser.add_argument("--rounds", type=int, default=200, help="how many; 200 by default")
    parser.add_argument(
        "--store", choices=STORES, default="postgres", help="what they share; postgres by default"
    )
    parser.add_argument("--seed", type=int, help="of all chance; another one each time by default")
    return parser.parse_args(arguments)


def _ended(*_: object) -> None:
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)  # so that nothing is left running
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
