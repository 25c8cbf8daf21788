"""What a campaign tells: how far it is, what has happened, and what to do with what fails."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Final

from simulation.records import MEMORY

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from simulation.campaign import Failure, Progress
    from simulation.plan import Plan
    from simulation.world import Outcome

LIVE: Final = 0.2  # seconds between two looks at a terminal
SELDOM: Final = 15.0  # elsewhere
CLOSELY: Final = 3  # max_staleness before a violation are told in full


class Teller:
    """Of a campaign of so many seeds."""

    def __init__(self, seeds: int) -> None:
        self._seeds = seeds
        self._began = self._told = monotonic()
        self._is_live = sys.stderr.isatty()

    def progress(self, progress: Progress) -> None:
        now = monotonic()
        if now - self._told < (LIVE if self._is_live else SELDOM):
            return
        self._told = now
        line = self.line(progress, now - self._began)
        if self._is_live:
            print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self, progress: Progress) -> None:
        if self._is_live:
            print("\r\x1b[K", end="", file=sys.stderr)
        print("\n".join(self.summary(progress, monotonic() - self._began)))

    def line(self, progress: Progress, took: float) -> str:
        pace = progress.seeds / took if took else 0.0
        left = (self._seeds - progress.seeds) / pace if pace else 0.0
        checks = sum(progress.counts[name] for name in progress.counts if name.startswith("checks"))
        return (
            f"{progress.seeds:,} of {self._seeds:,} seeds, {pace:.1f}/s, {_span(left)} left;"
            f" {checks:,} checks, {progress.counts['acknowledgements']:,} acknowledgements,"
            f" {_faults(progress.counts):,} faults"
        )

    def summary(self, progress: Progress, took: float) -> Iterable[str]:
        counts = dict(progress.counts)
        hours = counts.pop("simulated seconds", 0) / 3600
        pace = progress.seeds / took if took else 0.0
        yield f"{progress.seeds:,} seeds in {_span(took)}, {pace:.1f}/s; {hours:,.1f} h simulated"
        for name, number in sorted(counts.items(), key=lambda item: -item[1]):
            yield f"{number:12,}  {name}"
        if not progress.failures:
            yield "No invariant failed."


def failed(failures: Iterable[Failure], bug: str, store: str = MEMORY) -> Iterable[str]:
    more = f" --planted {bug}" if bug else ""
    more += f" --store {store}" if store != MEMORY else ""
    for failure in failures:
        yield f"Seed {failure.seed} fails: {failure.what}"
        yield f"To see it: python -m simulation --replay {failure.seed}{more}"


def history(plan: Plan, outcome: Outcome) -> Iterable[str]:
    """A plan, and what came of it, in full towards the end."""
    yield str(plan.settings)
    yield "\nThe plan:"
    yield from map(str, plan.items)
    yield "\nWhat happened (without polls and checks, but for the end of the one that fails):"
    last = outcome.trace.lines[-1].at
    since = last - CLOSELY * plan.settings.longest
    yield from outcome.trace.readable(of=outcome.who, since=since)
    yield f"\n{outcome.failure or 'No invariant failed.'}"
    yield f"digest {outcome.digest}"


def _faults(counts: Counter[str]) -> int:
    return sum(number for name, number in counts.items() if name.startswith("fault"))


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 6000 else f"{whole / 3600:.1f} h"
