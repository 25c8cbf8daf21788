"""A database across a network as one process sees it: its lanes, who listens, what a fork does."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from counterfoil.errors import StoreUnavailable
from counterfoil.stores.lanes import Answering, Lane
from counterfoil.threads import submitted

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from counterfoil.stores.lanes import Line, Perform
    from counterfoil.stores.listening import Listening
    from counterfoil.stores.waiting import Waiter

T = TypeVar("T")
LaneName = Literal["look_ups", "work", "feed"]
RETRY_AFTER: Final = timedelta(seconds=1)
WORKERS: Final = 4
LOOKING_UP: Final = 2
ASIDE: Final = 4
_log = logging.getLogger("counterfoil.store")


class Place(ABC):
    """Three lanes, so that none waits behind the others: `look_ups`, which is most of what there
    is to do; `work`, everything else; `feed`, on which every verifier's knowledge depends."""

    def __init__(self) -> None:
        self._logged = float("-inf")
        self._closed = False
        self._waiters: ThreadPoolExecutor | None = None
        self._begin_anew()
        _open_places.add(self)

    @abstractmethod
    def line(self) -> Line:
        """A thread's way to the database."""

    @abstractmethod
    def listener(self) -> Listening: ...

    @abstractmethod
    def look_ups(self) -> tuple[Perform, int]:
        """What does look-ups that have gathered, and how many at once."""

    @abstractmethod
    def said_of(self, why: BaseException) -> str:
        """What to say of an error: of those of the driver, names alone. What a server says may hold
        names of people and machines."""

    def require(self, job: Waiter) -> None:
        """Raises `StoreUnavailable` where it is known that the job cannot be done."""
        del job
        self.answering.require()

    def hint(self) -> object:
        """How often this process has committed, and others have said that they did."""
        return self._stirred, self._listener.heard()

    def wait(self, seconds: float) -> bool:
        return self._listener.wait(seconds)

    def stir(self) -> None:
        """Notes that this process has committed."""
        with self._counting:
            self._stirred += 1

    @property
    def waiting(self) -> int:
        """How many wait for one of the connections."""
        return sum(lane.waiting for lane in self.lanes.values())

    def aside(self, step: Callable[[], T]) -> Future[T]:
        """Has it done by a thread that may wait for the lanes. Raises `StoreUnavailable` when
        closed, and `Overloaded` where there is no thread to be had."""
        with self._counting:
            if self._closed:
                raise StoreUnavailable("The store is closed.")
            if self._waiters is None:
                self._waiters = ThreadPoolExecutor(ASIDE, "counterfoil-aside")
            return submitted(self._waiters, step)

    def unavailable(self, why: BaseException) -> StoreUnavailable:
        """The error for callers; the log learns of it once a second at most."""
        said = why.detail if isinstance(why, StoreUnavailable) else self.said_of(why)
        if time.monotonic() - self._logged > 1:
            self._logged = time.monotonic()
            _log.warning("%s", said)
        return StoreUnavailable(said, retry_after=RETRY_AFTER)

    def close(self) -> None:
        with self._counting:
            if self._closed:
                return
            self._closed = True
        for lane in self.lanes.values():
            lane.close()
        self._listener.close()
        if self._waiters is not None:
            self._waiters.shutdown(wait=False)

    def start_in_child(self) -> None:
        """The parent's threads are not here, and its connections are not ours to use or to close:
        drivers, too, end only those that their own process has opened."""
        if self._closed:
            return
        _not_ours.append((self.lanes, self._listener, self._waiters))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._counting = threading.Lock()
        self._stirred = 0
        self.answering = Answering()
        perform, together = self.look_ups()
        self.lanes: dict[LaneName, Lane] = {
            "look_ups": Lane(self, threads=LOOKING_UP, together=together, perform=perform),
            "work": Lane(self, threads=WORKERS),
            "feed": Lane(self, threads=1),
        }
        self._listener = self.listener()
        self._waiters = None


_open_places: weakref.WeakSet[Place] = weakref.WeakSet()
_not_ours: list[object] = []


def _after_fork_in_child() -> None:
    for place in list(_open_places):
        place.start_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
