"""The feed of the same database: one thread per process reads on, by timer.

Changes committed by this process are read on at once (`catch_up`); the timer brings what other
processes committed, a command line beside a running server for example.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING, Final

from counterfoil.drive import drive
from counterfoil.errors import Unavailable
from counterfoil.status_mirror import FeedGap

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.clock import Clock
    from counterfoil.ports import Store
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_mirror import StatusMirror

    Listener = Callable[[FeedRead, float], None]

EVERY: Final = 0.02
REST: Final = 0.2
LATE: Final = 0.5  # less than any max_staleness
_log = logging.getLogger("counterfoil.feed")


class LocalFeed:
    """Keeps a mirror in step with a store. Started at first use, and again after a fork."""

    def __init__(self, store: Store, mirror: StatusMirror, clock: Clock) -> None:
        self._store = store.blocking()
        self._mirror = mirror
        self._clock = clock
        self._pid = 0
        self._tried_at = float("-inf")
        self._stop = threading.Event()
        self._reading = threading.Lock()
        self._listeners: list[Listener] = []
        # Seconds between two reads when nothing happens; who lets verifiers wait may want fewer.
        self.rest = REST
        self._read_by = float("inf")
        forked = weakref.WeakMethod(self._forked)
        os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    def ensure(self) -> None:
        """Starts the thread in this process, and does not return before the first read is in.

        Raises `StoreUnavailable` when that read fails."""
        if self._pid == os.getpid():
            return
        with self._reading:
            if self._pid == os.getpid():
                return
            self._stop = threading.Event()
            self._read_on()
            thread = threading.Thread(
                target=self._follow, args=(self._stop,), name="counterfoil-feed", daemon=True
            )
            thread.start()
            self._pid = os.getpid()

    def catch_up(self) -> None:
        """Reads on now. Raises `StoreUnavailable`."""
        with self._reading:
            self._read_on()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls it after every read of this process, with what was read and the uptime at which
        that began, in the thread that read: it must be quick and may not raise. Returns what ends
        that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def read_by(self, uptime: float) -> None:
        """Has the thread read on at that uptime at the latest, whether or not anything happened."""
        self._read_by = min(self._read_by, uptime)

    def witness(self, position: Position) -> None:
        """A verifier shows that this issuer once said a position of this epoch which the store has
        not: somebody put the store back to before."""

    def make_up(self) -> None:
        """Reads on, if nobody has tried to for a while: the clock has jumped, as after suspend.

        In an outage the thread tries again and again, so nothing is read here, and whoever checks
        refuses at once. A read that hangs is waited for by one check, for as long as the thread
        pauses. Raises `StoreUnavailable`.
        """
        if not self._is_late():
            return
        if not self._reading.acquire(timeout=EVERY):
            self._tried_at = self._clock.uptime()
            return
        try:
            if self._is_late():
                self._read_on()
        finally:
            self._reading.release()

    def stop(self) -> None:
        """Ends the thread; the mirror ages from then on."""
        self._stop.set()
        self._pid = 0

    def _forked(self) -> None:
        """The thread did not come along, and may have held the lock when the process forked."""
        self._reading = threading.Lock()
        self._mirror.forked()

    def _follow(self, stop: threading.Event) -> None:
        failing = False
        while not stop.wait(EVERY):
            try:
                self.catch_up()
                failing = False
            except Exception as why:  # noqa: BLE001 - a dead thread would refuse everybody for ever
                # The mirror's age says the rest: checks refuse once it passes max_staleness.
                if not failing and not stop.is_set():
                    unforeseen = None if isinstance(why, Unavailable) else why
                    _log.warning("the store cannot be read: %s", why, exc_info=unforeseen)
                failing = True

    def _is_late(self) -> bool:
        return self._clock.uptime() - self._tried_at > LATE

    def _read_on(self) -> None:
        began, at = self._clock.uptime(), self._clock.now()
        try:
            read = drive(self._store.feed(self._mirror.position, now=at))
            try:
                self._mirror.apply(read, began=began, at=at)
            except FeedGap:
                read = drive(self._store.feed(None, now=at))
                self._mirror.apply(read, began=began, at=at)
            for listener in tuple(self._listeners):
                listener(read, began)
        finally:
            self._tried_at = self._clock.uptime()
