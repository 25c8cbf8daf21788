"""What a part of the chapter found: lines to read, figures to keep, and aims that were met or not.

An aim is judged in every round by itself. One that held in some rounds alone is not resolved; nor
is one that was missed while others used the machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

QUIET: Final = 0.1  # of the machine's processors, that others may use meanwhile

Verdict = Literal["met", "not met", "not resolved"]


class Aim(NamedTuple):
    """What is aimed at. found: one figure for each round, of which none may be above `most`.
    always: whether nobody else's work excuses a miss, as with what is promised."""

    what: str
    most: float
    found: Sequence[float]
    unit: str = ""
    always: bool = False

    def verdict(self, disturbance: float | None) -> Verdict:
        missed = sum(not each <= self.most for each in self.found)
        if not missed:
            return "met"
        if self.always:
            return "not met"
        is_quiet = disturbance is not None and disturbance <= QUIET
        return "not met" if missed == len(self.found) and is_quiet else "not resolved"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part. disturbance: the share of the machine that others used; None where that cannot be
    told."""

    name: str
    what: str
    lines: Sequence[str]
    figures: Mapping[str, Any]
    aims: Sequence[Aim] = ()
    disturbance: float | None = field(default=None)

    def told(self) -> Iterator[str]:
        yield f"\n{self.name}: {self.what}"
        yield from (f"  {line}" for line in self.lines)
        if self.disturbance is not None:
            yield f"  others used {self.disturbance:.0%} of the machine meanwhile"
        for aim in self.aims:
            found = figure(max(aim.found, default=math.nan))
            verdict = aim.verdict(self.disturbance)
            rounds = f", worst of {len(aim.found)} rounds" if len(aim.found) > 1 else ""
            said = f"  aim: {aim.what}, at most {aim.most:g}{aim.unit}"
            yield f"{said}: {found}{aim.unit}{rounds}: {verdict}"

    def as_json(self) -> dict[str, Any]:
        aims = [
            {
                "what": aim.what,
                "most": aim.most,
                "found": [*aim.found],
                "verdict": aim.verdict(self.disturbance),
            }
            for aim in self.aims
        ]
        return {
            "what": self.what,
            "figures": dict(self.figures),
            "aims": aims,
            "disturbance": self.disturbance,
        }


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many are not above; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def figure(number: float) -> str:
    """Three digits, of which no machine tells the last."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:,.{min(digits, 3)}f}"


def spread(seconds: Sequence[float]) -> str:
    """p50, p99 and the worst, in milliseconds, right-aligned."""
    found = (quantile(seconds, 0.5), quantile(seconds, 0.99), max(seconds, default=math.nan))
    return "".join(f"{figure(each * 1000):>9}" for each in found)


def in_rounds(values: Sequence[float], rounds: int) -> list[Sequence[float]]:
    """The values in so many parts, in order, for verdicts that one moment does not decide."""
    size = -(-len(values) // rounds)
    return [values[first : first + size] for first in range(0, len(values), size)]
