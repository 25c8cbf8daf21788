"""Contenders timed in turns, in one process, and what came out as ratios to the first: the floor.

Absolute times differ from machine to machine and from minute to minute; what was measured within
the same tenth of a second differs by what it does.
"""

from __future__ import annotations

import gc
import statistics
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping, Sequence

ENOUGH: Final = 1 / 3  # of a round: as long as that, a first try tells how often is a whole one


class Depth(NamedTuple):
    """How long to measure. seconds: of one contender in one round, about."""

    rounds: int
    seconds: float


FULL: Final = Depth(rounds=15, seconds=0.04)
QUICK: Final = Depth(rounds=5, seconds=0.01)


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a case's work.

    measure: does it so many times, and gives the seconds that all of them took. most: how often in
    one round at most, where things must be prepared. pieces: how many each time does. costs: what
    one piece costs besides time, counted.
    """

    name: str
    measure: Callable[[int], float]
    most: int = 1_000_000
    pieces: int = 1
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """What is compared. The first contender is the floor: the least that does the work."""

    what: str
    contenders: Sequence[Contender]


class Result(NamedTuple):
    """One contender; seconds of one piece. ratio_best: its best round to the floor's best;
    ratio_median: the median of its ratios to the floor in the same round."""

    name: str
    best: float
    median: float
    ratio_best: float
    ratio_median: float
    costs: Mapping[str, float]


def results(case: Case, depth: Depth, progress: Callable[[int], None]) -> list[Result]:
    """Every contender in every round, each round beginning with another one."""
    plans = [(each, _times(each, depth.seconds)) for each in case.contenders]
    took: dict[str, list[float]] = {each.name: [] for each in case.contenders}
    for number in range(depth.rounds):
        progress(number + 1)
        gc.collect()
        first = number % len(plans)
        for each, times in plans[first:] + plans[:first]:
            took[each.name].append(each.measure(times) / (times * each.pieces))
    floor = took[case.contenders[0].name]
    return [_result(each, took[each.name], floor) for each in case.contenders]


def calls(work: Callable[[], object]) -> Callable[[int], float]:
    """Measures a plain call."""

    def measure(times: int) -> float:
        began = perf_counter()
        for _ in repeat(None, times):
            work()
        return perf_counter() - began

    return measure


def awaits(runner: asyncio.Runner, work: Callable[[], Awaitable[object]]) -> Callable[[int], float]:
    """Measures what is awaited, within a loop that runs already."""

    async def measured(times: int) -> float:
        began = perf_counter()
        for _ in repeat(None, times):
            await work()
        return perf_counter() - began

    return lambda times: runner.run(measured(times))


def _times(contender: Contender, seconds: float) -> int:
    times = 1
    while True:
        took = contender.measure(times)
        if took >= seconds * ENOUGH or times >= contender.most:
            return max(1, min(contender.most, round(times * seconds / took)))
        times = min(contender.most, times * 4)


def _result(contender: Contender, own: list[float], floor: list[float]) -> Result:
    return Result(
        name=contender.name,
        best=min(own),
        median=statistics.median(own),
        ratio_best=min(own) / min(floor),
        ratio_median=statistics.median(map(float.__truediv__, own, floor)),
        costs=contender.costs,
    )
