"""Threads with a line each to a database, which do one job after the other.

A database across a network may take long, or never answer. So nobody asks it but these threads: an
event loop waits for a future and serves others meanwhile, and any number of threads share a few
connections. Where the database does not answer, one job at a time finds out whether it does again;
those that come after it has begun to wait are told so at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from counterfoil.errors import Overloaded, StoreUnavailable
from counterfoil.stores.waiting import Waiter, settle
from counterfoil.threads import begun

MOST_WAITING: Final = 5_000
REST: Final = 0.1  # seconds between two looks at a database that does not answer
PROMPT: Final = 0.25  # seconds for such a look, in which others wait for what comes of it

Perform = Callable[[Any, Sequence[Any]], None]  # jobs on a connection


@dataclass(slots=True, kw_only=True, eq=False)
class Job(Waiter):
    """What to do on a connection. It may be begun again on another one, unless it has raised what
    says that it may have been done."""

    work: Callable[[Any], Any]


class Line(Protocol):
    """One thread's way to the database."""

    def perform(self, perform: Perform, jobs: Sequence[Waiter]) -> BaseException | None:
        """Does them. Answers what kept it from doing so."""

    def drop(self) -> None:
        """Closes what is open; the next job opens it again."""


class Lanes(Protocol):
    """The database, as its lanes know it."""

    answering: Answering

    def require(self, job: Waiter) -> None:
        """Raises `StoreUnavailable` where it is known that the job cannot be done."""

    def line(self) -> Line: ...
    def unavailable(self, why: BaseException) -> StoreUnavailable: ...


class Answering:
    """Whether the database answers, as far as any of its lanes knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failure: StoreUnavailable | None = None
        self._looked_at: float | None = None  # by a job that is under way
        self._rest_until = 0.0
        self._answered = float("-inf")  # when the latest of those began that were answered

    def require(self) -> None:
        """Lets everything through while it does; then one job now and then, which looks, and those
        that come with it. Raises `StoreUnavailable` for all others."""
        failure, now = self._failure, time.monotonic()
        if failure is None:
            return
        with self._lock:
            if self._looked_at is None and now >= self._rest_until:
                self._looked_at = now
            if self._looked_at is None or now - self._looked_at > PROMPT:
                raise StoreUnavailable(failure.detail, retry_after=failure.retry_after)

    def note(self, failure: StoreUnavailable | None, *, began: float) -> bool:
        """Notes what came of a job that began then. False for a failure that says nothing of now:
        a job that began later was answered."""
        if failure is None:
            self._answered = max(self._answered, began)
            if self._failure is None:
                return True
        elif began < self._answered:
            return False
        with self._lock:
            self._failure, self._looked_at = failure, None
            self._rest_until = time.monotonic() + REST * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        return True


class Lane:
    """At most so many threads; each starts when there is more to do than the others can.

    together: how many jobs a thread may take at once, for `perform`, which does them and notes what
    came of each.
    """

    def __init__(
        self,
        place: Lanes,
        *,
        threads: int,
        together: int = 1,
        perform: Perform | None = None,
    ) -> None:
        self._place = place
        self._most = threads
        self._together = together
        self._perform = perform or _each
        self._jobs: deque[Waiter] = deque()
        self._something = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return len(self._jobs)

    def submit(self, job: Waiter) -> None:
        """Queues it. Raises `StoreUnavailable` when closed, when there are too many, and while the
        database does not answer; `Overloaded` where nobody would come to it."""
        with self._something:
            if self._closed:
                raise StoreUnavailable("The store is closed.")
            if len(self._jobs) >= MOST_WAITING:
                raise self._place.unavailable(StoreUnavailable("Too many wait for the database."))
            if self._idle <= len(self._jobs) and len(self._threads) < self._most:
                self._begin_another()
            self._place.require(job)
            self._jobs.append(job)
            self._something.notify()

    def _begin_another(self) -> None:
        try:
            self._threads.append(begun(self._work, name="counterfoil-store"))
        except Overloaded:
            if not self._threads:  # else one of those will come to it
                raise

    def close(self) -> None:
        """Ends the threads when what is queued is done."""
        with self._something:
            self._closed = True
            self._something.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        line = self._place.line()
        while jobs := self._take():
            began = time.monotonic()
            error = line.perform(self._perform, jobs)
            for job in jobs:
                job.error = job.error or error
            failed = self._noted(error, began)
            settle(jobs)
            settle(failed)
        line.drop()

    def _take(self) -> list[Waiter]:
        """What to do next; nothing when closed."""
        with self._something:
            self._idle += 1
            while not self._jobs and not self._closed:
                self._something.wait()
            self._idle -= 1
            return [self._jobs.popleft() for _ in range(min(self._together, len(self._jobs)))]

    def _noted(self, error: BaseException | None, began: float) -> list[Waiter]:
        """Notes whether the database answers; where it does not, answers those who wait."""
        if not isinstance(error, NoAnswer):
            self._place.answering.note(None, began=began)
            return []
        if not self._place.answering.note(error, began=began):
            return []
        with self._something:
            failed = list(self._jobs)
            self._jobs.clear()
        for job in failed:
            job.error = StoreUnavailable(error.detail, retry_after=error.retry_after)
        return failed


class NoAnswer(StoreUnavailable):
    """No job can be done now, whatever it is."""


def _each(connection: Any, jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.value = job.work(connection)
