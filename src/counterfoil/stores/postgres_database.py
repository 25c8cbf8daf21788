"""One PostgreSQL database as one process sees it: its lanes, who listens, and what a fork does."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import psycopg

from counterfoil.errors import StoreUnavailable
from counterfoil.stores.postgres_connection import CommitUnknown, Connection, connect
from counterfoil.stores.postgres_lane import Answering, Lane
from counterfoil.stores.postgres_listener import Listener
from counterfoil.stores.postgres_look_ups import MOST_AT_ONCE, look_up_all
from counterfoil.stores.postgres_words import said_of

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
LaneName = Literal["look_ups", "work", "feed"]
RETRY_AFTER: Final = timedelta(seconds=1)
WORKERS: Final = 4
LOOKING_UP: Final = 2
ASIDE: Final = 4
_log = logging.getLogger("counterfoil.postgres")


class Database:
    """Three lanes, so that none waits behind the others: `look_ups`, which is most of what there
    is to do; `work`, everything else; `feed`, on which every verifier's knowledge depends."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._logged = float("-inf")
        self._closed = False
        self._waiters: ThreadPoolExecutor | None = None
        self._begin_anew()
        _open_databases.add(self)

    def open(self) -> Connection:
        """A connection for a lane. Raises `psycopg.Error`."""
        connection = connect(self._address)
        self._own.add(connection.info.backend_pid)
        return connection

    def hint(self) -> object:
        """How often this process has committed, and others have said that they did."""
        return self._stirred, self._listener.heard()

    def wait(self, seconds: float) -> bool:
        return self._listener.wait(seconds)

    def stir(self) -> None:
        """Notes that this process has committed."""
        with self._counting:
            self._stirred += 1

    def patiently(self, work: Callable[[Connection], T]) -> T:
        """Does it on a connection of its own, in the calling thread, however long it takes."""
        try:
            with connect(self._address, patient=True) as connection:
                self._own.add(connection.info.backend_pid)
                connection.deadline = float("inf")
                return work(connection)
        except (psycopg.Error, CommitUnknown) as why:
            raise self.unavailable(why) from why

    @property
    def waiting(self) -> int:
        """How many wait for one of the connections."""
        return sum(lane.waiting for lane in self.lanes.values())

    def aside(self) -> ThreadPoolExecutor:
        """Threads that may wait for the lanes."""
        with self._counting:
            if self._waiters is None:
                self._waiters = ThreadPoolExecutor(ASIDE, "counterfoil-aside")
            return self._waiters

    def unavailable(self, why: BaseException) -> StoreUnavailable:
        """The error for callers; the log has the same, once a second at most."""
        if isinstance(why, StoreUnavailable):
            said = why.detail
        elif isinstance(why, CommitUnknown):
            said = "PostgreSQL did not say whether it has committed."
        else:
            said = said_of(why)
        if time.monotonic() - self._logged > 1:
            self._logged = time.monotonic()
            _log.warning("%s", said)
        return StoreUnavailable(said, retry_after=RETRY_AFTER)

    def close(self) -> None:
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
        psycopg, too, ends only those that its own process has opened."""
        if self._closed:
            return
        _not_ours.append((self.lanes, self._listener, self._waiters))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._counting = threading.Lock()
        self._stirred = 0
        self.answering = Answering()
        self._own: set[int] = set()  # backends, whose notifications are no news
        self.lanes: dict[LaneName, Lane] = {
            "look_ups": Lane(self, threads=LOOKING_UP, together=MOST_AT_ONCE, perform=look_up_all),
            "work": Lane(self, threads=WORKERS),
            "feed": Lane(self, threads=1),
        }
        self._listener = Listener(self._address, self._own)
        self._waiters = None


_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_not_ours: list[object] = []


def _after_fork_in_child() -> None:
    for database in list(_open_databases):
        database.start_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
