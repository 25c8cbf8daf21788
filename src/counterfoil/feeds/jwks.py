"""An issuer's keys at a verifier: fetched, fetched again, and relied on for so long only.

One thread per process fetches for every verifier in it: started at first use, and again after a
fork. A check never fetches; it reads what is held, and at most wakes the thread.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakSet

from counterfoil.errors import AuthError, IssuerUnavailable, KeysStale, Malformed, Unavailable
from counterfoil.feeds import fetch
from counterfoil.keys import PublicKeySet
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from counterfoil.clock import Clock

THREAD: Final = "counterfoil-verifier"
EVERY: Final = 300.0
COOL_DOWN: Final = 10.0  # between a fetch and the next one that an unknown kid asks for
_FIRST_PAUSE: Final = 0.5  # after a fetch that failed; then twice as long each time
_LONGEST_PAUSE: Final = 60.0
_MOST_DOUBLINGS: Final = 7

_log = logging.getLogger("counterfoil.verifier")
_random = secrets.SystemRandom()


class _Held(NamedTuple):
    keys: PublicKeySet
    known_at: float  # uptime when the request for them was sent


class IssuerKeys:
    """The keys published at `url`, good for `max_age` after the request that brought them.

    Holds no lock: a check reads one attribute, and only the thread writes it.
    """

    def __init__(self, url: str, *, max_age: timedelta, timeout: timedelta, clock: Clock) -> None:
        self._url = url
        self._max_age = max_age.total_seconds()
        self._every = min(EVERY, self._max_age / 3)
        self._timeout = timeout
        self._clock = clock
        self._held: _Held | None = None
        self._pid = 0
        self._due = self._began = float("-inf")
        self._is_kid_unknown = False
        self._failures = 0
        self._failure = ""

    def current(self, *, uptime: float) -> PublicKeySet:
        """The keys, if they are known well enough. Raises `KeysStale`."""
        if self._pid != os.getpid():
            self.follow()
        if uptime >= self._due:
            _follower().wake()
        held = self._held
        if held is None:
            raise KeysStale("The issuer's keys have not been fetched yet.")
        if not uptime - held.known_at < self._max_age:
            raise KeysStale(retry_after=timedelta(seconds=max(1, self._due - uptime)))
        return held.keys

    def miss(self) -> None:
        """Says that a kid was not among the keys: they are fetched again, but not too often."""
        if not self._is_kid_unknown:
            self._is_kid_unknown = True
            _follower().wake()

    def follow(self) -> None:
        """Has the keys fetched from now on, in this process."""
        self._pid = os.getpid()
        _follower().add(self)

    def leave(self) -> None:
        """Fetches no more; what is held ages."""
        self._pid = 0
        _follower().remove(self)

    def wait(self) -> None:
        """Until there are keys to rely on. Raises `IssuerUnavailable` after the timeout."""
        if self._pid != os.getpid():
            self.follow()
        if not self.is_fresh() and not _follower().wait_for(self, timeout=self._timeout):
            raise IssuerUnavailable(self._failure or "The issuer did not answer in time.")

    def is_fresh(self) -> bool:
        held = self._held
        return held is not None and self._clock.uptime() - held.known_at < self._max_age

    def due_in(self) -> float:
        """Seconds until the next fetch, by the clock that goes on in suspend."""
        due = self._due
        if self._is_kid_unknown:
            due = min(due, self._began + COOL_DOWN)
        return due - self._clock.uptime()

    def fetch(self) -> None:
        """Fetches once. Only an answer that can be trusted replaces what is held."""
        self._began = began = self._clock.uptime()
        # Set first: whatever happens below, the next attempt waits.
        self._due = began + _pause(self._failures)
        self._is_kid_unknown = False
        try:
            keys = _read(fetch.get(self._url, timeout=self._timeout))
        except (Unavailable, AuthError) as why:
            self._failure = f"The issuer's keys cannot be fetched from {self._url}: {why}"
            if not self._failures:
                _log.warning("%s", self._failure)
            self._failures += 1
            return
        self._failures = 0
        held = self._held
        # The same object where nothing changed, so that what was verified under it stays cached.
        self._held = _Held(held.keys if held and held.keys == keys else keys, began)
        self._due = began + self._every * _random.uniform(0.8, 1)


def _pause(failures: int) -> float:
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2 ** min(failures, _MOST_DOUBLINGS)))
    return longest * _random.uniform(0.5, 1)


def _read(body: bytes) -> PublicKeySet:
    keys = PublicKeySet.from_jwks(parse_object(body, limit=fetch.LIMIT))
    if not any(key.purpose == "tokens" for key in keys):
        raise Malformed("The issuer publishes no key for tokens.")
    return keys


class _Follower:
    """The thread of one process, and whom it fetches for. It ends when that is nobody."""

    def __init__(self) -> None:
        self._followed: WeakSet[IssuerKeys] = WeakSet()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, keys: IssuerKeys) -> None:
        with self._changed:
            self._followed.add(keys)
        self.wake()

    def remove(self, keys: IssuerKeys) -> None:
        with self._changed:
            self._followed.discard(keys)
            self._changed.notify_all()

    def wake(self) -> None:
        """Has it look again at what is due; also starts it, should it have died."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait_for(self, keys: IssuerKeys, *, timeout: timedelta) -> bool:
        self.wake()
        with self._changed:
            return self._changed.wait_for(keys.is_fresh, timeout.total_seconds())

    def _run(self) -> None:
        while self._sleep():
            self._fetch_due()

    def _sleep(self) -> bool:
        """Until something is due; False when there is nothing left to do."""
        with self._changed:
            while pauses := [keys.due_in() for keys in self._followed]:
                if min(pauses) <= 0:
                    return True
                self._changed.wait(min(pauses))
            self._thread = None
            return False

    def _fetch_due(self) -> None:
        with self._changed:
            followed = list(self._followed)
        for keys in followed:
            if keys.due_in() <= 0:
                keys.fetch()
        with self._changed:
            self._changed.notify_all()


# By process, so that after a fork nobody waits for a lock or a thread that stayed behind.
_followers: dict[int, _Follower] = {}


def _follower() -> _Follower:
    return _followers.setdefault(os.getpid(), _Follower())
