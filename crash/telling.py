"""What a campaign tells: how far it is, what came back, and of what fails how it came."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crash.campaign import Progress

SELDOM: Final = 15.0  # seconds between two lines where there is no terminal


class Teller:
    """Of a campaign of so many rounds."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._began = self._told = monotonic()
        self._is_live = sys.stderr.isatty()

    def progress(self, progress: Progress) -> None:
        now = monotonic()
        if self._is_live:
            line = self.line(progress, now - self._began)
            print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
        elif now - self._told > SELDOM:
            self._told = now
            print(self.line(progress, now - self._began), file=sys.stderr, flush=True)

    def end(self, progress: Progress) -> None:
        if self._is_live:
            print("\r\x1b[K", end="", file=sys.stderr)
        print("\n".join(self.summary(progress, monotonic() - self._began)))

    def line(self, progress: Progress, took: float) -> str:
        each = took / progress.rounds if progress.rounds else 0.0
        left = (self._rounds - progress.rounds) * each
        kinds = ("sign-ins", "rotations", "revocations")
        kept = ", ".join(f"{progress.counts[f'acknowledged {kind}']:,} {kind}" for kind in kinds)
        done = progress.rounds
        return (
            f"{done:,} of {self._rounds:,} rounds, {each:.1f} s each, {_span(left)} left;"
            f" acknowledged {kept}; {_sum(progress, 'unknown'):,} unknown,"
            f" {_sum(progress, 'killed'):,} kills"
        )

    def summary(self, progress: Progress, took: float) -> Iterable[str]:
        each = took / progress.rounds if progress.rounds else 0.0
        yield f"{progress.rounds:,} rounds in {_span(took)}, {each:.1f} s each"
        for name, number in sorted(progress.counts.items(), key=lambda item: -item[1]):
            yield f"{number:12,}  {name}"
        if progress.failure is None:
            yield "Nothing that was acknowledged is missing."


def failed(progress: Progress, seed: int) -> Iterable[str]:
    """What did not hold, and where; nothing of it is a secret."""
    if progress.failure is None:
        return
    yield f"\nRound {progress.rounds} of seed {seed} fails. {progress.failure}"
    yield from (f"  {line}" for line in progress.failure.history)
    yield f"The logs of that run are in {progress.logs}."


def _sum(progress: Progress, kind: str) -> int:
    return sum(number for name, number in progress.counts.items() if name.startswith(kind))


def _span(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole / 60:.0f} min"
