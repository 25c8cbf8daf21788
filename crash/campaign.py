"""Rounds: people act, something is killed and started again, and everything is asked for."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import TYPE_CHECKING, Final

from crash.acts import act
from crash.held import Violation
from crash.judge import judge
from crash.person import Person
from crash.site import site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from crash.site import Site
    from crash.stores import StoreName

PEOPLE: Final = ("ann", "bob", "eve")
BEFORE: Final = 1.5  # seconds of a round before something is killed, at most
AFTER: Final = 0.5  # and after it


@dataclass(slots=True)
class Progress:
    """What has come of the rounds so far. failure: what did not hold; logs: of that run."""

    rounds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failure: Violation | None = None
    logs: Path | None = None


def run_campaign(
    rounds: int,
    *,
    seed: int,
    told: Callable[[Progress], object],
    store: StoreName = "postgres",
    program: Sequence[str] = (),
) -> Progress:
    """Until one fails. told: hears after each round how far it is. program: what a node runs, if
    not what belongs to the store. Raises as the store's engine does."""
    progress = Progress()
    with site(store, program) as place, ThreadPoolExecutor(len(PEOPLE)) as threads:
        try:
            place.open()
            campaign = Campaign(seed, place, threads, progress)
            while progress.rounds < rounds:
                campaign.round()
                told(progress)
        except Violation as why:
            progress.failure, progress.logs = why, place.kept_logs()
    return progress


class Campaign:
    """A few people, each in a thread, at a site of two nodes."""

    def __init__(
        self, seed: int, site: Site, threads: ThreadPoolExecutor, progress: Progress
    ) -> None:
        self._seed = seed
        self._site = site
        self._threads = threads
        self._progress = progress
        self._people = [Person(name, site.nodes) for name in PEOPLE]
        for person in self._people:
            person.register()

    def round(self) -> None:
        """Raises `Violation`."""
        self._progress.rounds += 1
        for person in self._people:
            person.begin(self._progress.rounds)
        try:
            self._act_and_kill()
            self._site.settle()
            _raised(
                self._threads.submit(judge, person, self._chance(f"{person.name} judges"))
                for person in self._people
            )
        finally:
            for person in self._people:
                self._progress.counts.update(person.heard)
                person.heard.clear()

    def _act_and_kill(self) -> None:
        """Returns when all runs again, and nobody asks for anything."""
        stop = Event()
        acting = [
            self._threads.submit(act, person, self._chance(f"{person.name} acts"), stop)
            for person in self._people
        ]
        try:
            self._kill(stop)
        finally:
            stop.set()
            wait(acting)
        _raised(acting)

    def _kill(self, stop: Event) -> None:
        chance = self._chance("kills")
        names = chance.sample(self._site.names, chance.randint(1, len(self._site.names)))
        stop.wait(chance.uniform(0, BEFORE))
        self._site.kill(names, chance)
        self._progress.counts.update(f"killed {name}" for name in names)
        stop.wait(chance.uniform(0, AFTER))
        if chance.random() < 1 / 3:  # or they go on until all runs again
            stop.set()
        self._site.start(names)

    def _chance(self, of: str) -> Random:
        return Random(f"{self._seed} {self._progress.rounds} {of}")


def _raised(futures: Iterable[Future[None]]) -> None:
    """Waits for all, and raises what the first of them did."""
    done = [*futures]
    wait(done)
    for each in done:
        each.result()
