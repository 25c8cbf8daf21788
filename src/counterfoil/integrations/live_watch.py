"""Notices when what live connections rest on has ended: one watch for all of a loop's.

No connection has a task or a timer of its own. One sweep asks about all of them, in memory: once a
second, and when what is known is about to be too old. In between, those are asked about whose
status has changed. Records alone are read, a few at a time, beside the sweep, which waits for
nobody: first those that the trail's news are about.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import deque
from contextlib import suppress
from contextvars import Context
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from counterfoil.errors import CounterfoilError, StatusStale, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from counterfoil.credential import Verified
    from counterfoil.holding import Held, Holding, Moment
    from counterfoil.status_mirror import Changes

    End = Callable[[CounterfoilError], object]

EVERY: Final = 1.0
READ_WITHIN: Final = 5.0  # seconds for one record, which is then tried again
_JUST_AFTER: Final = 0.002  # tokens expire at whole seconds, and a timer may come early
_SHORTEST: Final = 0.01
_SLICE: Final = 256  # asked about before others have their turn
_AT_ONCE: Final = 16  # records that are read together
_TURN: Final = 0.005  # seconds of reading before others have their turn

_log = logging.getLogger("counterfoil.live")

K = TypeVar("K")


def follow(holding: Holding, verified: Verified, end: End) -> Callable[[], None]:
    """Calls `end` once, in the running loop and not before this has returned, with the error that
    ends what was verified. Returns what leaves off following; to repeat that does nothing.

    Raises `ConfigurationError` for what cannot be followed.
    """
    live = _Live(holding.hold(verified), end)
    watch = _watch_of(holding)
    watch.add(live)
    return lambda: watch.remove(live)


class _Live:
    """One connection: all that it rests on, and what is called once when that ends."""

    __slots__ = ("end", "entries", "held", "subjects")

    def __init__(self, held: Sequence[Held], end: End) -> None:
        self.held = held
        self.entries = {each.entry for each in held if each.entry is not None}
        self.subjects = {each.subject for each in held if each.subject is not None}
        self.end = end


class _Index(Generic[K]):
    """Who is meant by a status entry, or by a subject."""

    def __init__(self) -> None:
        self._lives: dict[K, dict[_Live, None]] = {}

    def add(self, keys: Iterable[K], live: _Live) -> None:
        for key in keys:
            self._lives.setdefault(key, {})[live] = None

    def remove(self, keys: Iterable[K], live: _Live) -> None:
        for key in keys:
            del self._lives[key][live]
            if not self._lives[key]:
                del self._lives[key]

    def meant(self, keys: Iterable[K] | None) -> dict[_Live, None]:
        """Those whom one of these keys means, each once; all for None."""
        lives = self._lives
        chosen = lives if keys is None else [key for key in keys if key in lives]
        return {live: None for key in chosen for live in lives[key]}

    def __bool__(self) -> bool:
        return bool(self._lives)


class Watch:
    """All live connections that one loop has for one engine or verifier; there while there are
    any."""

    def __init__(self, holding: Holding, loop: asyncio.AbstractEventLoop) -> None:
        self._holding = holding
        self._loop = loop
        self._pid = os.getpid()
        self._lives: dict[_Live, None] = {}
        self._of_entry: _Index[tuple[str, int]] = _Index()
        self._of_subject: _Index[str] = _Index()  # those that rest on records
        self._until = math.inf  # the uptime up to which enough is known for all of them
        self._heard: deque[Changes | None] = deque()  # filled by whatever thread
        self._woken = asyncio.Event()
        self._due: dict[_Live, None] = {}
        self._has_news = True
        self._line: int | None = None  # of the trail, up to which the news are known
        self._unlisten = holding.listen(self._hear)
        # In no request's context: whatever that holds would live as long as the watch.
        self._sweeping = loop.create_task(self._sweep_on(), context=Context())
        self._reading: asyncio.Task[None] | None = None

    def add(self, live: _Live) -> None:
        """Asks at once: its check may have been a while ago."""
        self._lives[live] = None
        self._of_entry.add(live.entries, live)
        self._of_subject.add(live.subjects, live)
        try:
            until = self._ask(live, self._holding.moment())
        except BaseException:
            self.remove(live)
            raise
        if until < self._until:
            self._until = until
            self._woken.set()

    def remove(self, live: _Live) -> None:
        self._due.pop(live, None)
        if live not in self._lives:
            return
        del self._lives[live]
        self._of_entry.remove(live.entries, live)
        self._of_subject.remove(live.subjects, live)
        if not self._lives:
            self.stop()

    def stop(self) -> None:
        """Leaves nothing behind; to repeat it does nothing."""
        if _watches.pop((self._loop, self._holding), None) is None:
            return
        self._unlisten()
        if not self._loop.is_closed():
            self._sweeping.cancel()
            if self._reading is not None:
                self._reading.cancel()

    def _hear(self, changes: Changes | None) -> None:
        """From any thread. A process that was forked off has this loop, but does not run it."""
        if self._pid != os.getpid():
            return
        self._heard.append(changes)
        if len(self._heard) == 1:  # else whoever was first has woken it
            with suppress(RuntimeError):  # the loop was closed over its connections
                self._loop.call_soon_threadsafe(self._woken.set)

    async def _sweep_on(self) -> None:
        try:
            while True:
                await self._sweep()
                await self._wait()
        except Exception:  # noqa: BLE001 - nobody would be asked about any more, and all would pass
            _log.exception("live connections cannot be followed, and are ended")
            for live in tuple(self._lives):
                self._end(live, StatusStale())
        finally:
            self.stop()  # also where the loop ends before its connections

    async def _sweep(self) -> None:
        """Asks about every connection."""
        self._until = math.inf
        lives = iter(tuple(self._lives))
        while some := [*islice(lives, _SLICE)]:
            self._ask_all(some)
            await asyncio.sleep(0)

    async def _wait(self) -> None:
        """Until the next sweep: just after the next second, as that is when tokens expire, or when
        what is known gets too old. Meanwhile asks about those that have changed."""
        began, moment = self._loop.time(), self._holding.moment()
        to_second = EVERY - moment.now.microsecond / 1e6 % EVERY + _JUST_AFTER
        while True:
            to_end = self._until - self._holding.moment().uptime
            left = min(began + to_second - self._loop.time(), max(_SHORTEST, to_end))
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()
            if not self._woken.is_set() or self._take_news():
                return

    def _take_news(self) -> bool:
        """Asks about those that have changed. Returns whether it may be all of them."""
        self._woken.clear()
        heard: list[Changes | None] = []
        while self._heard:
            heard.append(self._heard.popleft())
        if heard and self._of_subject:
            self._has_news = True
            self._read_soon()
        changed = ((each.list_id, each.index) for changes in heard for each in changes or ())
        if meant := self._of_entry.meant(changed):
            self._ask_all(meant)
        return None in heard

    def _ask_all(self, lives: Iterable[_Live]) -> None:
        moment = self._holding.moment()
        for live in lives:
            if live in self._lives:
                self._until = min(self._until, self._ask(live, moment))

    def _ask(self, live: _Live, moment: Moment) -> float:
        """Ends it if it has to be; else the uptime up to which enough is known."""
        until = math.inf
        try:
            for held in live.held:
                until = min(until, held.require(moment))
                if held.is_due:
                    self._due[live] = None
                    self._read_soon()
        except CounterfoilError as why:
            self._end(live, why)
            return math.inf
        return until

    def _end(self, live: _Live, why: CounterfoilError) -> None:
        if live in self._lives:
            # Its frames lead to all connections.
            self._loop.call_soon(live.end, why.with_traceback(None), context=Context())
            self.remove(live)

    def _read_soon(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = self._loop.create_task(self._read_on(), context=Context())

    async def _read_on(self) -> None:
        """Reads the records that are due; half of the time is left to others."""
        while self._has_news or self._due:
            if self._has_news:
                await self._put_first()
            began = self._loop.time()
            readers = min(_AT_ONCE, len(self._due))
            await asyncio.gather(*(self._read_some(began) for _ in range(readers)))
            await asyncio.sleep(self._loop.time() - began)

    async def _put_first(self) -> None:
        """Has those read first that the trail's news are about; where these do not say, all, after
        those that have been due for long."""
        self._has_news = False
        subjects: frozenset[str] | None = None
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(READ_WITHIN):
                self._line, subjects = await self._holding.news(self._line)
        meant = self._of_subject.meant(subjects)
        self._due = self._due | meant if subjects is None else meant | self._due

    async def _read_some(self, began: float) -> None:
        while self._due:
            live = next(iter(self._due))
            del self._due[live]
            await self._read(live)
            if self._loop.time() - began > _TURN:  # others may have taken all of it
                return

    async def _read(self, live: _Live) -> None:
        try:
            async with asyncio.timeout(READ_WITHIN):
                for held in live.held:
                    await held.read()
        except (Unavailable, TimeoutError):
            return  # sweeps go on asking for it, until too little is known
        except CounterfoilError as why:
            self._end(live, why)
        except Exception:  # noqa: BLE001 - it stays unknown, and too little is known of it soon
            _log.exception("the record of a live connection cannot be read")


_watches: dict[tuple[asyncio.AbstractEventLoop, Holding], Watch] = {}


def _watch_of(holding: Holding) -> Watch:
    loop = asyncio.get_running_loop()
    watch = _watches.get((loop, holding))
    if watch is None:
        for left in [each for key, each in _watches.items() if key[0].is_closed()]:
            left.stop()
        watch = _watches[loop, holding] = Watch(holding, loop)
    return watch
