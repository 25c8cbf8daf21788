"""The feed of the same database: one thread per process looks whether there is something to read.

Changes committed by this process are read on at once (`catch_up`). The thread brings what other
processes committed, a command line beside a running server for example: it looks at the store's
hint every EVERY seconds, or waits until somebody writes where the store can tell it so, and reads
when the hint has moved, or after `rest` in any case.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from counterfoil.errors import RestoreUndeclared, StoreUnavailable, Unavailable
from counterfoil.feeds.witness import Witness
from counterfoil.status_mirror import FeedGap
from counterfoil.threads import begun

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.clock import Clock
    from counterfoil.ports import Keys, Store
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_mirror import StatusMirror

    Listener = Callable[[FeedRead, float], None]

# Measured on two cores of a virtual machine, where to wake up costs a thread 60 µs: 0.3 % of a core
# where nothing is written, 1.9 % while something is, or where nobody tells. A look costs 10 µs.
EVERY: Final = 0.005
REST: Final = 0.2
LIVELY: Final = 1.0  # seconds after a commit in which another one is likely
PAUSE: Final = 0.05  # between two tries while the store is away
LATE: Final = 0.5  # less than any max_staleness
FIRST: Final = 2.0  # seconds that a process may wait for its first read
WITHIN: Final = 2.0  # seconds in which others may read first
_SOON: Final = timedelta(seconds=1)
_log = logging.getLogger("counterfoil.feed")


class LocalFeed:
    """Keeps a mirror in step with a store. Started at first use, and again after a fork.

    Each read is compared with how far the store is known to have come. is_unproven: whether nothing
    may be taken from the store before it was read here, because it never was, or because it was put
    back from a copy and that is not declared. is_aside: whether to read may take long; then an
    event loop calls nothing here that reads, which is `catch_up` and `make_up`. fresh_until: wall
    time until which a read need not be repeated to see that; where the thread runs it sees to that.
    """

    def __init__(self, store: Store, mirror: StatusMirror, clock: Clock, keys: Keys) -> None:
        self.is_unproven = True
        self.fresh_until = datetime.min.replace(tzinfo=UTC)
        self._shown = store
        self._store = store.blocking()
        self._keys = keys
        self._witness = Witness(self._store, keys)
        self._mirror = mirror
        self._clock = clock
        self._is_refused = False
        self._pid = 0
        self._tried_at = float("-inf")
        self._read_at = float("-inf")  # the thread's own time, which passes whatever the clock says
        self._stop = threading.Event()
        self._tried = threading.Event()
        self._trouble: Unavailable | None = None
        self._reading = threading.Lock()
        self._starting = threading.Lock()
        self._read_from = float("-inf")
        self._listeners: list[Listener] = []
        # Seconds between two reads when nothing happens; who lets verifiers wait may want fewer.
        self.rest = REST
        self._read_by = float("inf")
        forked = weakref.WeakMethod(self._forked)
        os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    @property
    def is_aside(self) -> bool:
        return self._shown.waits_aside

    def ensure(self) -> None:
        """Starts the thread in this process, and does not return before the first read is in.

        Raises `StoreUnavailable` when that read fails, and `RestoreUndeclared`. Where the store is
        read aside nothing is read here: it waits, once in a process and not for long, for the
        thread to have read, and raises what kept it from that."""
        if self.is_aside:
            self._ensure_aside()
            return
        if self._pid == os.getpid():
            if self.is_unproven:
                self.catch_up()
            return
        with self._reading:
            if self._pid == os.getpid():
                return
            hint = self._hint()
            self._read_on()
            self._start(hint)

    @property
    def position(self) -> Position | None:
        """How far this process has read."""
        return self._mirror.position

    @property
    def is_running(self) -> bool:
        """Whether a thread of this process reads on."""
        return self._pid == os.getpid()

    @property
    def is_late(self) -> bool:
        """Whether nobody has tried to read for a while."""
        return self._clock.uptime() - self._tried_at > LATE

    def catch_up(self) -> None:
        """Reads on now, unless a read that has begun by now brings it. Raises `StoreUnavailable`
        and `RestoreUndeclared`."""
        asked = self._clock.uptime()
        if not self._reading.acquire(timeout=WITHIN):
            raise StoreUnavailable("The store was not read in time.", retry_after=_SOON)
        try:
            if self._read_from <= asked:
                self._read_on()
        finally:
            self._reading.release()

    def prove(self) -> None:
        """Reads, if nothing was read yet that can be relied on. Raises as `ensure` does."""
        if not self.is_unproven:
            return
        if self.is_aside:
            self.ensure()
        else:
            self.catch_up()

    def keep_up(self) -> None:
        """Reads on, where no thread of this process does. Raises as `ensure` does."""
        if self.is_aside:
            self.ensure()
        elif self.is_unproven or not self.is_running:
            self.catch_up()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls it after every read of this process, with what was read and the uptime at which
        that began, in the thread that read: it must be quick and may not raise. Returns what ends
        that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def read_by(self, uptime: float) -> None:
        """Has the thread read on at that uptime at the latest, whether or not anything happened."""
        self._read_by = min(self._read_by, uptime)

    def require_current(self, position: Position) -> None:
        """Looks at a position that somebody else in this process has read. Raises
        `RestoreUndeclared` where the store is older than it once was, and `StoreUnavailable`."""
        if position.is_behind(self._keys.reach(position)):
            self.catch_up()

    def witness(self, position: Position) -> None:
        """Somebody shows that this issuer once said a position. If it is of this store, and the
        store has not come so far, it was put back from a copy, and nothing is answered any more."""
        self._keys.reach(position)
        with suppress(Unavailable):
            self.catch_up()

    def make_up(self) -> None:
        """Reads on, if nobody has tried to for a while: the clock has jumped, as after suspend.

        In an outage the thread tries again and again, so nothing is read here, and whoever checks
        refuses at once. A read that hangs is waited for by one check, for as long as the thread
        pauses. Raises `StoreUnavailable`.
        """
        if not self.is_late:
            return
        if not self._reading.acquire(timeout=EVERY):
            self._tried_at = self._clock.uptime()
            return
        try:
            if self.is_late:
                self._read_on()
        finally:
            self._reading.release()

    def stop(self) -> None:
        """Ends the thread; the mirror ages from then on."""
        self._stop.set()
        self._pid = 0

    def _ensure_aside(self) -> None:
        if not self.is_running:
            with self._starting:
                if not self.is_running:
                    self._tried.clear()
                    self._start(None)
            self._tried.wait(FIRST)
        if self.is_unproven:
            raise self._trouble or StoreUnavailable("Not read yet.", retry_after=_SOON)

    def _start(self, hint: object) -> None:
        self._stop = threading.Event()
        begun(partial(self._follow, self._stop, hint), name="counterfoil-feed")
        self._pid = os.getpid()

    def _forked(self) -> None:
        """The thread did not come along, and may have held the lock when the process forked."""
        self._reading, self._starting = threading.Lock(), threading.Lock()
        self._mirror.forked()

    def _follow(self, stop: threading.Event, seen: object) -> None:
        failing = False
        stirred_at = time.monotonic()
        while not stop.is_set():
            try:
                # Taken before the read: what is committed while it reads moves the next one.
                hint = self._hint()
                stirs = hint is None or hint != seen
                if stirs or failing or self._is_due():
                    self.catch_up()
                seen, failing = hint, False
                if stirs:
                    stirred_at = time.monotonic()
                if time.monotonic() - stirred_at < LIVELY:
                    self._store.wait(seen, 0)  # which begins to listen, where that is to be done
                    stop.wait(EVERY)
                elif self._store.wait(seen, self._left()):
                    stirred_at = time.monotonic()
            except Exception as why:  # noqa: BLE001 - a dead thread would refuse everybody for ever
                # The mirror's age says the rest: checks refuse once it passes max_staleness.
                is_told = isinstance(why, RestoreUndeclared)
                if not failing and not is_told and not stop.is_set():
                    unforeseen = None if isinstance(why, Unavailable) else why
                    _log.warning("the store cannot be read: %s", why, exc_info=unforeseen)
                failing = True
                stop.wait(PAUSE)

    def _hint(self) -> object:
        """What the store hints; None where it cannot, which a read will say better."""
        try:
            return self._store.hint()
        except Unavailable:
            return None

    def _is_due(self) -> bool:
        """Whether to read though nothing is said to have happened."""
        return self._left() <= 0

    def _left(self) -> float:
        """Seconds that the thread may rest."""
        rest = self._read_at + self.rest - time.monotonic()
        return min(rest, self._read_by - self._clock.uptime())

    def _read_on(self) -> None:
        began, at = self._clock.uptime(), self._clock.now()
        self._read_at, self._read_by = time.monotonic(), float("inf")
        try:
            read = self._witnessed(self._mirror.position, at)
            self._keys.refresh()
            try:
                self._mirror.apply(read, began=began, at=at)
            except FeedGap:
                read = self._witnessed(None, at)
                self._mirror.apply(read, began=began, at=at)
            for listener in tuple(self._listeners):
                listener(read, began)
            self._proved(at)
            self._read_from, self._trouble = began, None
        except Unavailable as why:
            self._trouble = type(why)(why.detail, retry_after=why.retry_after)
            raise
        finally:
            self._tried_at = self._clock.uptime()
            self._tried.set()

    def _witnessed(self, after: Position | None, at: datetime) -> FeedRead:
        try:
            return self._witness.read(after, now=at)
        except RestoreUndeclared as why:
            if not self._is_refused:
                _log.error("%s %s", why.detail, why.next_step)
            self.is_unproven = self._is_refused = True
            raise

    def _proved(self, at: datetime) -> None:
        if self._is_refused:
            _log.warning("The restore was declared: the store is read again.")
        self.is_unproven = self._is_refused = False
        self.fresh_until = at + timedelta(seconds=REST)
