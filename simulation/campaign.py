"""Many seeds, on every core, until one fails."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, NamedTuple

from simulation.keys import first_keys
from simulation.planning import plan_of
from simulation.planted import planted
from simulation.records import MEMORY
from simulation.world import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from simulation.plan import Plan
    from simulation.world import Outcome

ANOTHER_HISTORY: Final = "what happens is not what happens with the store in memory"
AT_ONCE: Final = 10  # seeds that a process is given


class Failure(NamedTuple):
    seed: int
    what: str


@dataclass(slots=True)
class Progress:
    """What has come of the seeds that have been run."""

    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Progress) -> None:
        self.seeds += other.seeds
        self.counts += other.counts
        self.failures += other.failures


def outcome_of(
    seed: int, bug: str = "", *, signatures: str = "quick", where: str = MEMORY
) -> tuple[Plan, Outcome]:
    """One seed; with a planted bug, in the scenes that show it. where: the records are, if
    elsewhere."""
    with planted(bug) if bug else nullcontext() as found:
        plan = plan_of(seed) if found is None else plan_of(seed, found.weights, **found.fixed)
        return plan, outcome_of_plan(plan, signatures=signatures, where=where)


def outcome_of_plan(plan: Plan, *, signatures: str = "quick", where: str = MEMORY) -> Outcome:
    """What comes of it; a failure also where the store in memory makes another history of it."""
    outcome = run(plan, signatures=signatures, where=where)
    if where != MEMORY and not outcome.failure:
        reference = run(plan, signatures=signatures)
        if outcome.digest != reference.digest:
            return replace(outcome, failure=ANOTHER_HISTORY)
    return outcome


def run_seeds(seeds: Iterable[int], bug: str = "", where: str = MEMORY) -> Progress:
    """In this process, until one fails."""
    progress = Progress()
    with _swept_seldom() as sweep:
        for seed in seeds:
            _, outcome = outcome_of(seed, bug, where=where)
            progress.seeds += 1
            progress.counts += outcome.counts
            if outcome.failure:
                progress.failures.append(Failure(seed, outcome.failure))
                break
            if progress.seeds % AT_ONCE == 0:
                sweep()
    return progress


@contextmanager
def _swept_seldom() -> Iterator[Callable[[], object]]:
    """A world is full of cycles, and is done with as a whole: looking for garbage all the time took
    a quarter of it. What is there before stays out of the collector's sight."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()


def run_campaign(
    seeds: range,
    *,
    processes: int,
    bug: str,
    where: str = MEMORY,
    told: Callable[[Progress], object],
) -> Progress:
    """In several processes, until one fails. `told` hears now and then how far it is."""
    total = Progress()
    parts = iter([seeds[at : at + AT_ONCE] for at in range(0, len(seeds), AT_ONCE)])
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=prepare
    ) as pool:
        running: set[Future[Progress]] = set()
        while True:
            while len(running) < processes + 1 and not total.failures:
                part = next(parts, None)
                if part is None:
                    break
                running.add(pool.submit(run_seeds, part, bug, where))
            if not running:
                return total
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                total.add(each.result())
            told(total)


def prepare() -> None:
    """What a process does once. The verifiers' warnings are for people, and there are thousands."""
    logging.disable(logging.CRITICAL)
    first_keys()
